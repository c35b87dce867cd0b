"""JSON from tenants, read within limits on size, depth and values, and only if every other reader can take it."""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any, Final

LONGEST_NUMBER: Final = 64
"""Characters in one number. Other readers keep some 17 digits; the time to read one grows with its length squared."""

_LONGEST_POINTER = 120
_LONE_SURROGATE: Final = re.compile("[\ud800-\udfff]")
# Nothing can be wrong with these once they are read. They are also the shortest values to write.
_PLAIN: Final = frozenset({int, float, bool, type(None)})

Place = tuple["Place", str | int] | tuple[()]
"""Where a value is: the place of the object or array around it, and its name or index there."""


class BadJson(ValueError):
    """What is wrong with a text, where, and which limit it exceeds; completes "the field …"."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """The limits on a text."""

    size_bytes: int
    """UTF-8 bytes of the text."""
    levels: int
    """Nested arrays and objects."""
    values: int
    """Values of any kind in all."""
    are_names_unique: bool
    """Whether a name may occur only once in an object. Of two, some readers take the first and some the last."""


ARGUMENTS: Final = Bounds(size_bytes=1024 * 1024, levels=128, values=40_000, are_names_unique=False)
"""Limits on the arguments of a tool call, which a provider wrote and a client sends back unchanged."""


class _Flaw:
    """Takes the place of a value that is not allowed, and says why."""

    def __init__(self, why: str) -> None:
        self.why = why


def read(text: str, bounds: Bounds) -> Any:
    """Returns the document in a text, in time proportional to its length.

    Raises:
        BadJson: it is not JSON, or exceeds a limit.
    """
    document, _ = _read(text, bounds, 0)
    return document


class JointReader:
    """Reads several texts, which together may hold as many values as one alone, so that many cost no more than one."""

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        self._values = 0

    def read(self, text: str) -> Any:
        """Returns the document in the next text.

        Raises:
            BadJson: it is not JSON, or exceeds a limit. It then counts as the most values that a text of its length
                can hold, since it may have cost as much.
        """
        try:
            document, self._values = _read(text, self._bounds, self._values)
        except BadJson:
            self._values += len(text) // 2
            raise
        return document


def shown_pointer(steps: Iterable[str | int]) -> str:
    """Returns a JSON pointer (RFC 6901) in quotes, cut if it is long; the pointer to the whole document is empty."""
    pointer = "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in steps)
    return shown(pointer, _LONGEST_POINTER)


def shown(value: Any, longest: int) -> str:
    """Returns a value as JSON that is valid UTF-8, cut after `longest` characters."""
    text = json.dumps(value, ensure_ascii=False).encode("utf-8", "backslashreplace").decode()
    return text if len(text) <= longest else f"{text[:longest]}…"


def at(place: Place) -> str:
    """Returns a place as a JSON pointer."""
    steps: list[str | int] = []
    while place:
        place, step = place
        steps.append(step)
    return shown_pointer(reversed(steps))


def _read(text: str, bounds: Bounds, before: int) -> tuple[Any, int]:
    """Returns the document and the number of its values, plus those `before` it."""
    size = len(text.encode("utf-8", "surrogatepass"))
    if size > bounds.size_bytes:
        raise BadJson(f"has {size} bytes, at most {bounds.size_bytes} are taken")
    if before >= bounds.values:
        raise _too_many(bounds, before)
    try:
        document = json.loads(
            text,
            object_pairs_hook=_object if bounds.are_names_unique else None,
            parse_constant=lambda name: _Flaw(f"is {name}, which JSON does not have"),
            parse_int=_integer,
            parse_float=_float,
        )
    except json.JSONDecodeError as error:
        raise BadJson(f"is not JSON at offset {error.pos}: {error.msg}") from None
    except RecursionError:
        raise BadJson(f"is nested deeper than {bounds.levels} levels") from None
    return document, _check(document, bounds, before)


def _check(document: Any, bounds: Bounds, before: int) -> int:
    walk, levels = _ValueWalk(document), 0
    while walk.descend():
        levels += 1
        if levels > bounds.levels:
            raise BadJson(f"is nested deeper than {bounds.levels} levels")
        if before + walk.values > bounds.values:
            raise _too_many(bounds, before)
    return before + walk.values


def _too_many(bounds: Bounds, before: int) -> BadJson:
    return BadJson(f"holds more than {bounds.values} values{', with those before it' if before else ''}")


class _ValueWalk:
    """Examines a document level by level. The place of a value is worked out only when something is wrong with it."""

    def __init__(self, document: Any) -> None:
        self._levels: list[list[dict[str, Any] | list[Any]]] = [[[document]]]
        self.values = 1

    def descend(self) -> bool:
        """Examines the next level and returns whether there is one below it. Raises BadJson for a bad value."""
        below: list[dict[str, Any] | list[Any]] = []
        for holder in self._levels[-1]:
            if isinstance(holder, dict) and (problem := _text_problem("".join(holder))):
                raise BadJson(f"{self._pointer(holder)} has a name that {problem}")
            for value in holder.values() if isinstance(holder, dict) else holder:
                kind = type(value)
                if kind in _PLAIN:
                    continue
                if kind is dict or kind is list:
                    self.values += len(value)
                    below.append(value)
                elif problem := value.why if kind is _Flaw else _text_problem(value):
                    raise BadJson(f"{self._pointer(value)} {problem}")
        self._levels.append(below)
        return bool(below)

    def _pointer(self, value: Any) -> str:
        """Returns the pointer to a value of the last level, or to one directly inside it."""
        steps: list[str | int] = []
        for holders in reversed(self._levels):
            held = ((holder, step) for holder in holders for step, inner in _inside(holder) if inner is value)
            if found := next(held, None):
                value, step = found
                steps.append(step)
        return shown_pointer(reversed(steps[:-1]))  # the last step leads to the document itself


def _inside(holder: dict[str, Any] | list[Any]) -> Iterable[tuple[str | int, Any]]:
    return holder.items() if isinstance(holder, dict) else enumerate(holder)


def _text_problem(text: str) -> str:
    if _LONE_SURROGATE.search(text):
        return "holds half of a surrogate pair, which no text has"
    return "holds NUL, which JSON writes \\u0000 and PostgreSQL cannot store" if "\0" in text else ""


def _object(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any] | _Flaw:
    read = dict(pairs)
    if len(read) == len(pairs):
        return read
    names: set[str] = set()
    for name, _ in pairs:
        if name in names:
            return _Flaw(f"has the name {shown(name, _LONGEST_POINTER)} twice")
        names.add(name)
    return read


def _integer(digits: str) -> int | _Flaw:
    return int(digits) if len(digits) <= LONGEST_NUMBER else _too_long(digits)


def _float(digits: str) -> float | _Flaw:
    if len(digits) > LONGEST_NUMBER:
        return _too_long(digits)
    number = float(digits)
    return number if isfinite(number) else _Flaw(f"is {digits}, which is larger than other readers' numbers")


def _too_long(digits: str) -> _Flaw:
    return _Flaw(f"is a number of {len(digits)} characters, at most {LONGEST_NUMBER} are taken")
