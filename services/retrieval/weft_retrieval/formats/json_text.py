"""JSON as lines of keys with their values, split at its structure; notebooks as their cells."""

import json
import re
from collections.abc import Iterable
from typing import Any

from weft_kit.document_names import ContentType
from weft_retrieval.formats.document_format import DocumentFormat
from weft_retrieval.formats.draft import Draft
from weft_retrieval.formats.notebook import is_notebook, write_notebook
from weft_retrieval.formats.outline import Parsed
from weft_retrieval.formats.text import decode
from weft_retrieval.formats.units import MAX_UNIT

_DEEPEST = 100
_DEEPEST_HEADING = 6
_SHOWN_KEYS = 4
"""Of the keys that lead to a value the last ones stand before it: all of them would cost the square of the depth."""
_LONGEST_KEY = 100
_DATA = re.compile(r"data:[^,]{0,200};base64,")


def read_json(content: bytes) -> Parsed:
    """Reads JSON, one value or one per line; anything else is text."""
    text = decode(content)
    draft = Draft(len(content))
    try:
        value = _loaded(text)
        if is_notebook(value):
            return write_notebook(dict(value), draft)
        _write(value, 1, draft)
    except (ValueError, RecursionError):
        return _lines(text, len(content))
    return draft.parsed(title="")


def _lines(text: str, size: int) -> Parsed:
    """Reads JSON Lines, where a line that is no JSON stays as it is; what does not begin like that is text."""
    if not _is_json(text.lstrip().partition("\n")[0]):
        return Parsed(text, title="")
    draft = Draft(size)
    for line in text.split("\n"):
        try:
            value = _loaded(line)
        except (ValueError, RecursionError):
            draft.line(line)
        else:
            _write(value, 1, draft)
    return draft.parsed(title="")


def _is_json(line: str) -> bool:
    try:
        _loaded(line)
    except (ValueError, RecursionError):
        return False
    return True


class _Object(list[tuple[str, Any]]):
    """An object with its keys in order; a key may come twice."""


def _loaded(text: str) -> Any:
    """Returns the value with its numbers as they were written; raises ValueError or RecursionError."""
    value = json.loads(text, object_pairs_hook=_Object, parse_int=str, parse_float=str, parse_constant=str)
    level = [value]
    for _ in range(_DEEPEST):
        level = [member for outer in level for member in _members(outer)]
    if level:
        raise ValueError("too deep")
    return value


def _members(value: Any) -> Iterable[Any]:
    if isinstance(value, _Object):
        return (member for _, member in value)
    return value if isinstance(value, list) else ()


def _write(value: Any, depth: int, draft: Draft) -> None:
    """Writes small values as one line; of large ones each member, under its key as a heading."""
    if isinstance(value, _Object):
        _write_object(value, depth, draft)
    elif isinstance(value, list) and not all(map(_is_scalar, value)):
        for member in value:
            if (said := _said("", member)) is not None:
                draft.line(said)
            else:
                draft.gap()
                _write(member, depth, draft)
    else:
        draft.paragraph(_scalars(value))


def _write_object(value: _Object, depth: int, draft: Draft) -> None:
    record = ""
    for key, member in value:
        said = _said(key, member)
        if record and (said is None or len(record) + len(said) > MAX_UNIT):
            draft.line(record)
            record = ""
        if said is None:
            _write_large(key, member, depth, draft)
        elif said:
            record = f"{record}; {said}" if record else said
    draft.line(record)


def _write_large(key: str, member: Any, depth: int, draft: Draft) -> None:
    if _is_scalar(member):
        draft.paragraph(f"{key[:_LONGEST_KEY]}: {_scalars(member)}")
        return
    if depth <= _DEEPEST_HEADING:
        draft.heading(key, depth)
    else:
        draft.line(key)
    _write(member, depth + 1, draft)
    draft.gap()


def _said(key: str, value: Any) -> str | None:
    """Returns a value with its keys in one line; None when it is too large for one."""
    small = _Small()
    return "; ".join(small.parts) if small.take(value, (key[:_LONGEST_KEY],) if key else ()) else None


class _Small:
    """What a value says, as long as that is a line."""

    def __init__(self) -> None:
        self.parts: list[str] = []
        self._left = MAX_UNIT

    def take(self, value: Any, keys: tuple[str, ...]) -> bool:
        """Takes in a value that some keys lead to; False when it is too much."""
        self._left -= 1
        if isinstance(value, _Object):
            above = keys[1 - _SHOWN_KEYS :]
            return all(self.take(member, (*above, key[:_LONGEST_KEY])) for key, member in value)
        if isinstance(value, list):
            if len(value) > self._left:
                return False
            if not all(map(_is_scalar, value)):
                return all(self.take(member, _at(keys, place)) for place, member in enumerate(value))
        if text := _scalars(value):
            self.parts.append(f"{'.'.join(keys)}: {text}" if keys else text)
            self._left -= len(self.parts[-1])
        return self._left >= 0


def _at(keys: tuple[str, ...], place: int) -> tuple[str, ...]:
    return (*keys[:-1], f"{keys[-1]}[{place}]") if keys else ()


def _is_scalar(value: Any) -> bool:
    return not isinstance(value, list)


def _scalars(value: Any) -> str:
    """Returns a scalar, or a list of some, as text; files that are embedded as data are left out."""
    if isinstance(value, list):
        return ", ".join(filter(None, map(_scalars, value)))
    if isinstance(value, str):
        return "" if _DATA.match(value) else value
    return json.dumps(value)


JSON = DocumentFormat(content_type=ContentType.JSON, description="JSON", read=read_json)
