"""Counts the messages inside an encoded one before decoding: one of two bytes takes a hundred bytes of memory.

Source: the wire format, protobuf.dev/programming-guides/encoding.
"""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, Final

from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message

from weft_kit.rpc.errors import InvalidFields
from weft_kit.tasks import LoopShare
from weft_kit.validation.fields import MOST_ENTRIES

SMALL_BYTES: Final = 64 * 1024
"""Messages up to this size are decoded without counting: that takes a moment, however many they hold."""

_BYTES_EACH: Final = 256
_AT_ONCE: Final = 500
_VARINT, _FIXED_64, _LENGTH, _FIXED_32 = 0, 1, 2, 5
_SIZES: Final = {_FIXED_64: 8, _FIXED_32: 4}

Fields = Mapping[int, Descriptor]
"""The fields of a message that hold messages, by number."""


async def check_count(encoded: bytes, kind: type[Message]) -> None:
    """Refuses an encoded message with too many others inside, since decoding it would hold up all other calls.

    It may hold 20,000, plus one for every 256 bytes. Counting pauses for other calls. Malformed messages are left to
    the decoder.

    Raises:
        InvalidFields: it holds more.
    """
    if len(encoded) <= SMALL_BYTES:
        return
    most = MOST_ENTRIES + len(encoded) // _BYTES_EACH
    share = LoopShare()
    for count in counts(encoded, kind.DESCRIPTOR):
        if count > most:
            raise InvalidFields({"": f"must not hold more than {most} messages in {len(encoded)} bytes"})
        await share.pause()


def counts(encoded: bytes, kind: Any) -> Iterator[int]:
    """Yields how many messages were found so far inside one of type `kind`, every now and then and at the end."""
    fields = _fields(kind)
    at, end, count = 0, len(encoded), 0
    outer: list[tuple[int, Fields]] = []
    while True:
        while at < end:
            tag, at = (encoded[at], at + 1) if encoded[at] < 128 else _varint(encoded, at)
            inner = fields.get(tag >> 3) if tag & 7 == _LENGTH else None
            size, at = _size(encoded, at, tag & 7)
            if size < 0 or at + size > end:
                yield count  # not well formed
                return
            if inner is None:
                at += size
                continue
            count += 1
            if count % _AT_ONCE == 0:
                yield count
            if size:
                outer.append((end, fields))
                end, fields = at + size, _fields(inner)
        if not outer:
            yield count
            return
        end, fields = outer.pop()


def _size(encoded: bytes, at: int, wire_type: int) -> tuple[int, int]:
    """Returns the size of a value in bytes, -1 if its wire type is unknown, and where it begins."""
    if wire_type == _LENGTH:
        return (encoded[at], at + 1) if at < len(encoded) and encoded[at] < 128 else _varint(encoded, at)
    if wire_type == _VARINT:
        return 0, _varint(encoded, at)[1]
    return _SIZES.get(wire_type, -1), at


def _varint(encoded: bytes, at: int) -> tuple[int, int]:
    """Returns a number, and where it ends; one that is cut off ends with the message."""
    number, shift = 0, 0
    for byte in encoded[at : at + 10]:
        at += 1
        number |= (byte & 127) << shift
        if byte < 128:
            return number, at
        shift += 7
    return number, len(encoded)


@cache
def _fields(kind: Any) -> Fields:
    return {field.number: field.message_type for field in kind.fields if field.message_type is not None}


def kind_of(decode: Any) -> type[Message] | None:
    """Returns the message type that a generated deserializer makes; None for any other function."""
    kind = getattr(decode, "__self__", None)
    return kind if isinstance(kind, type) and issubclass(kind, Message) else None
