"""Finds the line of a place in a TOML file, so that an editor can jump to it.

The TOML parser keeps no line numbers. Tables and keys each begin a line, which is enough: a place inside a value is
found at the value's key.
"""

import re
import tomllib
from collections.abc import Iterator
from typing import Any

_HEADER = re.compile(r"^\s*(\[\[?[^\[\]]+\]\]?)\s*(?:#.*)?$")
_NAME = r"""(?:"[^"]*"|'[^']*'|[A-Za-z0-9_-]+)"""
_KEY = re.compile(rf"^\s*({_NAME}(?:\s*\.\s*{_NAME})*)\s*=")
_LONG_TEXT = re.compile(r'"""|' + "'''")


def line_of(place: str, text: str) -> int:
    """Returns the line, from 1, of a place, or of the innermost table or key around it; 0 if there is none."""
    found, longest = 0, -1
    for number, known in _places(text):
        if (place == known or place.startswith((f"{known}.", f"{known}["))) and len(known) > longest:
            found, longest = number, len(known)
    return found


def _places(text: str) -> Iterator[tuple[int, str]]:
    """Yields each line that begins a table or a value, with its place."""
    table, in_long_text = "", False
    for number, line in enumerate(text.splitlines(), 1):
        was_in_long_text = in_long_text
        in_long_text ^= len(_LONG_TEXT.findall(line)) % 2 == 1
        if was_in_long_text:
            continue
        if header := _HEADER.match(line):
            table = _joined(header[1])
            yield number, table
        elif key := _KEY.match(line):
            yield number, ".".join(filter(None, (table, _joined(f"{key[1]} = 0"))))


def _joined(line: str) -> str:
    """Returns the names in a header or a key, which may be quoted, joined like a place."""
    try:
        value: Any = tomllib.loads(line)
    except tomllib.TOMLDecodeError:
        return ""
    names = []
    while isinstance(value, dict | list) and value:
        if isinstance(value, dict):
            [(name, value)] = value.items()
            names.append(name)
        else:
            [value] = value
    return ".".join(names)
