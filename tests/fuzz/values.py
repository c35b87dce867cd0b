"""Values at which software breaks: for every kind of field, what its type just allows and nobody sends."""

import struct
from random import Random
from typing import Any, Final

from google.protobuf.descriptor import FieldDescriptor

_INT32: Final = (0, 1, -1, 2, 64, 1000, 1001, 2**31 - 1, -(2**31))
_INT64: Final = (*_INT32, 2**63 - 1, -(2**63))
_UINT32: Final = (0, 1, 2**32 - 1)
_UINT64: Final = (*_UINT32, 2**63, 2**64 - 1)
_FLOATS: Final = (0.0, -0.0, 1.0, 0.5, -1.0, 2.0, 1e-300, 1e300, float("inf"), float("-inf"), float("nan"))
_LONG: Final = 20_000
_DEEP: Final = 2_000

# Each of them has broken some server: ends of strings, of lines, of quotes, of planes; other ways to write a number;
# what looks like a path, a query, a header, a template, a token of a page or a script of another direction.
_TEXTS: Final = (
    "",
    " ",
    "a",
    "\0",
    "a\0b",
    "\r\n",
    "\x1b[2J",
    "\x7f\x80\x9f",
    "\ufeff",
    "\uffff",
    "\u202etxt.exe",
    "e\u0301" * 50,
    "\U0001d518\U0001d52b",
    "👩‍👩‍👧‍👦",
    "ส" * 200,
    "٣٤",
    "%s%n%x",
    "{0}{}",
    "{{7*7}}",
    "${WEFT_GATEWAY_OPERATOR_TOKEN}",
    "../../etc/passwd",
    "'; DROP TABLE jobs; --",
    "\\",
    "\\u0000",
    '"',
    "*",
    ">",
    "jobs.>",
    "a.b.c",
    "$JS.API.STREAM.DELETE.JOBS",
    "<script>alert(1)</script>",
    "NaN",
    "-1",
    "1e999",
    "null",
    "[]",
    "{}",
    '{"a": "\\u0000"}',
    '{"a": "\\ud800"}',
    '{"a": NaN}',
    '{"a": 1e999}',
    '{"type": "object", "properties": {"a": {"$ref": "#"}}}',
    '{"$ref": "http://127.0.0.1:9/schema"}',
    '{"pattern": "(a+)+$"}',
    "eyJhIjoxfQ==",
    "http://169.254.169.254/latest/meta-data",
    "https://user:pass@example.com/",
    "https://[::1",
    "default",
)
_BYTES: Final = (
    b"",
    b"\0",
    b"\xff\xfe",
    b"%PDF-1.7\n",
    b"\x89PNG\r\n\x1a\n",
    b"PK\x03\x04",
    b"# a\n" + b" " * _LONG + b"b",
    b"<" * 5_000,
    b"<div>" * _DEEP,
    b"[" * _DEEP,
    b"a," * 5_000,
    b"{" * _DEEP,
    b"The mooring fee is nine marks a night.",
)


class Values:
    """Draws the value of a field. `known` are texts that mean something to the mesh, such as ids of jobs that exist."""

    def __init__(self, random: Random, known: tuple[str, ...]) -> None:
        self._random = random
        self._known = known

    def scalar(self, field: FieldDescriptor) -> Any:
        """Returns a value that the field's type allows."""
        kind = field.cpp_type
        if kind == FieldDescriptor.CPPTYPE_STRING:
            return self.content() if field.type == FieldDescriptor.TYPE_BYTES else self.text()
        if kind == FieldDescriptor.CPPTYPE_ENUM:
            return self._random.choice([*field.enum_type.values_by_number, 999, -1, 2**31 - 1])
        if kind == FieldDescriptor.CPPTYPE_FLOAT:
            return _single(self._random.choice(_FLOATS))
        return self._random.choice(_NUMBERS[kind])

    def text(self) -> str:
        """Returns a text: one of those that break things, a known one, or a very long or deep one."""
        draw = self._random.random()
        if draw < 0.5:
            return self._random.choice(_TEXTS)
        if draw < 0.9:
            return self._random.choice(self._known)
        atom = self._random.choice(_TEXTS) or "x"
        return (atom * _LONG)[: self._random.choice((65, 129, 2_049, _LONG))]

    def content(self) -> bytes:
        """Returns bytes: the beginnings of many formats, or noise."""
        if self._random.random() < 0.3:
            return self._random.randbytes(self._random.choice((1, 64, 5_000)))
        return self._random.choice(_BYTES)


_NUMBERS: Final[dict[int, tuple[Any, ...]]] = {
    FieldDescriptor.CPPTYPE_INT32: _INT32,
    FieldDescriptor.CPPTYPE_INT64: _INT64,
    FieldDescriptor.CPPTYPE_UINT32: _UINT32,
    FieldDescriptor.CPPTYPE_UINT64: _UINT64,
    FieldDescriptor.CPPTYPE_DOUBLE: _FLOATS,
    FieldDescriptor.CPPTYPE_BOOL: (False, True),
}


def _single(number: float) -> float:
    """Returns what single precision makes of a number: infinity of what is too large for it."""
    try:
        return float(struct.unpack("f", struct.pack("f", number))[0])
    except OverflowError:
        return float("inf")
