"""Matches regular expressions of JSON Schemas in linear time: a tenant's pattern must not keep the router busy."""

import re
from functools import lru_cache

from pydantic_core import SchemaError, SchemaValidator, core_schema

from weft_kit.validation.json_schemas import written_out

_MOST_STEPS = 50_000_000
"""States times characters that one match may take: a fraction of a second at worst."""

# In JSON Schema's dialect (ECMA-262) these mean ASCII only; the engine would read them as Unicode.
_OUTSIDE = {"d": "[0-9]", "D": "[^0-9]", "w": "[0-9A-Za-z_]", "W": "[^0-9A-Za-z_]", "b": r"(?-u:\b)"}
_INSIDE = _OUTSIDE | {"b": r"\x08"}
_PART = re.compile(r"\\.|\[\^?|.", re.DOTALL)


def matches(pattern: str, text: str) -> bool | None:
    """Returns whether a pattern occurs in a text; None if that cannot be decided in bounded time.

    That is so for patterns that need backtracking (look-around, back-references) or are not regular expressions.
    """
    if written_out(pattern) * len(text) > _MOST_STEPS:
        return None
    engine = _engine(pattern)
    return engine.isinstance_python(text) if engine and _is_unicode(text) else None


@lru_cache(maxsize=512)
def _engine(pattern: str) -> SchemaValidator | None:
    try:
        return SchemaValidator(core_schema.str_schema(pattern=_translated(pattern), regex_engine="rust-regex"))
    except (SchemaError, UnicodeEncodeError):
        return None


def _translated(pattern: str) -> str:
    """Returns a pattern in the engine's dialect."""
    spelt: list[str] = []
    is_inside = False
    for part in _PART.findall(pattern):
        if part[0] == "\\":
            spelt.append((_INSIDE if is_inside else _OUTSIDE).get(part[1:], part))
        elif is_inside and part[0] in "[&~":
            # These are set operators in the engine's dialect, and plain characters in the schema's.
            spelt.append("".join(f"\\{character}" for character in part))
        else:
            is_inside = part[0] == "[" or (is_inside and part != "]")
            spelt.append(part)
    return "".join(spelt)


def _is_unicode(text: str) -> bool:
    """Returns whether a text has no lone surrogate: JSON may escape one, but the engine cannot read it."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
