"""Texts and numbers that everything behind the door can hold: PostgreSQL stores no NUL, JSON no infinity.

Protobuf itself refuses half surrogates, but JSON may escape them, and NUL, inside a text: what is kept as JSON text is
read here once, so that whoever reads it later can store it and send it on.
"""

import json
import math
import re
from itertools import chain
from typing import Any, Final

MOST_LEVELS: Final = 64
"""How deep a JSON text may nest."""

_HALF_SURROGATE: Final = re.compile("[\ud800-\udfff]")


def text_problem(text: str) -> str:
    """Returns what is wrong with a text, "" when nothing is."""
    return "must not contain NUL (U+0000)" if "\0" in text else ""


def number_problem(number: float) -> str:
    """Returns what is wrong with a number, "" when nothing is."""
    return "" if math.isfinite(number) else f"must be a finite number, is {number:g}"


def json_object_problem(text: str) -> str:
    """Returns why a text is no JSON object that can be stored and sent on, "" when it is one."""
    try:
        found = json.loads(text, parse_constant=_refuse, parse_float=_finite)
    except (ValueError, RecursionError):  # integers of thousands of digits are a ValueError, too
        return "must be a JSON object"
    if not isinstance(found, dict):
        return "must be a JSON object"
    return _content_problem(found)


def _content_problem(found: Any) -> str:
    """Looks at a document level by level: as deep as it nests, recursion would end somewhere else each time."""
    level = [found]
    for _ in range(MOST_LEVELS + 1):
        objects = [one for one in level if isinstance(one, dict)]
        texts = "".join(chain((one for one in level if isinstance(one, str)), *objects))
        if problem := text_problem(texts):
            return f"{problem}, which JSON writes \\u0000"
        if _HALF_SURROGATE.search(texts):
            return "must not contain half a surrogate pair, which JSON writes \\ud800 to \\udfff"
        lists = (one for one in level if isinstance(one, list))
        level = list(chain.from_iterable((*(one.values() for one in objects), *lists)))
        if not level:
            return ""
    return f"must not nest deeper than {MOST_LEVELS} levels"


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError(digits)
    return number


def _refuse(name: str) -> float:
    # Python reads NaN and Infinity; JSON does not have them, and providers refuse them.
    raise ValueError(name)
