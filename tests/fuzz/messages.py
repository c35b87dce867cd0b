"""Requests nobody would send: noise, random messages from the descriptors, and real requests tampered with."""

from random import Random
from typing import Any, Final

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from tests.fuzz.values import Values

_DEEPEST: Final = 6
_LENGTHS: Final = (0, 1, 1, 2, 3, 70)
_MANY: Final = 3_000
# Wire types: 0 varint, 1 and 5 fixed, 2 bytes, 3 and 4 a group's ends, 6 and 7 none.
_NOT_UTF8: Final = (b"\xff\xfe\xfd", b"\xc0\x80", b"\xed\xa0\x80", b"\xf5\x80\x80\x80")


class Messages:
    """Draws the bytes of a request, and says how they were made."""

    def __init__(self, random: Random, values: Values) -> None:
        self._random = random
        self._values = values

    def draw(self, kind: Descriptor, real: list[Message]) -> tuple[str, bytes]:
        """Returns the way a request was made and its bytes. `real` are good requests of this kind."""
        way = self._random.choice(("noise", "random", "random", "altered", "altered", "cut", "not UTF-8"))
        example = self._random.choice(real) if real else self.message(kind)
        match way:
            case "noise":
                return way, self._random.randbytes(self._random.choice((1, 2, 7, 30, 300)))
            case "random":
                return way, self.message(kind).SerializeToString()
            case "altered":
                return way, self.altered(example).SerializeToString()
            case "cut":
                return way, self._cut(example.SerializeToString())
            case _:
                return way, self._not_utf8(example.SerializeToString())

    def message(self, kind: Descriptor, depth: int = 0) -> Message:
        """Returns a message of this kind with random fields, at random depth."""
        message = GetMessageClass(kind)()
        for field in kind.fields:
            if self._random.random() < (0.6 if depth < 2 else 0.3):
                self._fill(message, field, depth)
        return message

    def altered(self, example: Message) -> Message:
        """Returns a copy of a good request with a few of its fields, at any depth, made anew."""
        copy = type(example)()
        copy.CopyFrom(example)
        for _ in range(self._random.choice((1, 1, 2))):
            target = self._random.choice(list(_nodes(copy)))
            if fields := target.DESCRIPTOR.fields:
                self._fill(target, self._random.choice(fields), _DEEPEST - 2)
        return copy

    def _fill(self, message: Message, field: FieldDescriptor, depth: int) -> None:
        if not field.is_repeated:
            self._set(message, field, depth)
        elif field.message_type and field.message_type.GetOptions().map_entry:
            self._fill_map(getattr(message, field.name), field.message_type, depth)
        else:
            self._fill_list(getattr(message, field.name), field, depth)

    def _set(self, message: Message, field: FieldDescriptor, depth: int) -> None:
        if field.message_type is None:
            setattr(message, field.name, self._values.scalar(field))
        elif depth < _DEEPEST:
            getattr(message, field.name).CopyFrom(self.message(field.message_type, depth + 1))

    def _fill_list(self, items: Any, field: FieldDescriptor, depth: int) -> None:
        del items[:]
        if field.message_type is None:
            items.extend(self._values.scalar(field) for _ in range(self._random.choice(_LENGTHS)))
        elif self._random.random() < 0.02:
            items.extend([GetMessageClass(field.message_type)()] * _MANY)
        elif depth < _DEEPEST:
            count = min(3, self._random.choice(_LENGTHS))
            items.extend(self.message(field.message_type, depth + 1) for _ in range(count))

    def _fill_map(self, entries: Any, entry: Descriptor, depth: int) -> None:
        entries.clear()
        key, value = entry.fields_by_name["key"], entry.fields_by_name["value"]
        for _ in range(self._random.choice(_LENGTHS)):
            if value.message_type is None:
                entries[self._values.scalar(key)] = self._values.scalar(value)
            elif depth < _DEEPEST:
                entries[self._values.scalar(key)].CopyFrom(self.message(value.message_type, depth + 1))

    def _cut(self, encoded: bytes) -> bytes:
        """Returns encoded bytes with a few of them removed, repeated, changed or put in."""
        some = bytearray(encoded)
        for _ in range(self._random.choice((1, 2, 8))):
            at = self._random.randrange(len(some) + 1)
            some[at : at + self._random.choice((0, 1, 4))] = self._random.randbytes(self._random.choice((0, 1, 4)))
        return bytes(some)

    def _not_utf8(self, encoded: bytes) -> bytes:
        """Returns encoded bytes whose letters are, somewhere, no UTF-8; lengths stay as they were."""
        some = bytearray(encoded)
        letters = [at for at, byte in enumerate(some) if 97 <= byte <= 122]
        for at in self._random.sample(letters, min(len(letters), 3)):
            bad = self._random.choice(_NOT_UTF8)
            some[at : at + len(bad)] = bad[: len(some) - at]
        return bytes(some)


def _nodes(message: Message) -> "list[Message]":
    """Returns a message and all messages inside of it."""
    found = [message]
    for field, value in message.ListFields():
        if field.message_type is None:
            continue
        if not field.is_repeated:
            found += _nodes(value)
        elif not field.message_type.GetOptions().map_entry:
            for item in value[:3]:
                found += _nodes(item)
    return found
