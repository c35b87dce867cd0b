"""Durations and timestamps that mean something: protobuf carries any numbers in them, and odd ones fail late.

What the types themselves promise is checked here, for every field of a message however deep, so that no request is
accepted which a worker, the record or a webhook could not read. What a field allows is its own service's rule.
"""

from collections.abc import Iterator
from functools import cache

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from weft_kit.errors import InvalidFields

_MOST_NANOS = 999_999_999
_LONGEST_S = 315_576_000_000
# The years 1 to 9999.
_EARLIEST_S, _LATEST_S = -62_135_596_800, 253_402_300_799
_TIMES = {Duration.DESCRIPTOR.full_name, Timestamp.DESCRIPTOR.full_name}


def check_times(request: Message) -> None:
    """Raises InvalidFields for every duration and timestamp that is none.

    Items of a batch that are requests themselves are left alone: each is checked, and refused, for itself.
    """
    if problems := dict(time_problems(request)):
        raise InvalidFields(problems)


def time_problems(message: Message, path: str = "") -> Iterator[tuple[str, str]]:
    """Yields the path of each duration and timestamp that is none, below `path`, and what is expected there."""
    for name, is_repeated in _fields_with_times(message.DESCRIPTOR):
        if is_repeated:
            for i, item in enumerate(getattr(message, name)):
                yield from _problems(item, f"{path}{name}[{i}]")
        elif message.HasField(name):
            yield from _problems(getattr(message, name), path + name)


def _problems(value: Message, path: str) -> Iterator[tuple[str, str]]:
    match value:
        case Duration() if problem := _duration_problem(value):
            yield path, problem
        case Timestamp() if problem := _timestamp_problem(value):
            yield path, problem
        case Duration() | Timestamp():
            return
        case _:
            yield from time_problems(value, f"{path}.")


def _duration_problem(duration: Duration) -> str:
    seconds, nanos = duration.seconds, duration.nanos
    if abs(nanos) > _MOST_NANOS:
        return f"must have nanos of less than a second, has {nanos}"
    if seconds * nanos < 0:
        return f"must have seconds and nanos of one sign, has {seconds} and {nanos}"
    if abs(seconds) > _LONGEST_S:
        return f"must be at most {_LONGEST_S} s, is {seconds} s"
    return ""


def _timestamp_problem(moment: Timestamp) -> str:
    if not 0 <= moment.nanos <= _MOST_NANOS:
        return f"must have nanos from 0 to {_MOST_NANOS}, has {moment.nanos}"
    if not _EARLIEST_S <= moment.seconds <= _LATEST_S:
        return "must be a valid time between the years 1 and 9999"
    return ""


@cache
def _fields_with_times(kind: Descriptor) -> tuple[tuple[str, bool], ...]:
    """Returns the fields in which a time may be, at any depth, and whether they are repeated."""
    return tuple((field.name, field.is_repeated) for field in kind.fields if _may_hold_times(field, frozenset()))


def _may_hold_times(field: FieldDescriptor, above: frozenset[str]) -> bool:
    kind = field.message_type
    if kind is None or kind.full_name in above or (field.is_repeated and kind.name.endswith("Request")):
        return False
    below = above | {kind.full_name}
    return kind.full_name in _TIMES or any(_may_hold_times(inner, below) for inner in kind.fields)
