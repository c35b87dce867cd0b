"""What every request must be like, whichever service it is for: bounded, and of values that can be kept.

A message is walked by its descriptors, and only through what is set in it: that costs about what decoding it did, and
no field of a later version is forgotten. What a field means is its own service's rule.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import chain
from typing import Any, Final

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from weft_kit.rpc.errors import InvalidFields
from weft_kit.validation.texts import number_problem, text_problem
from weft_kit.validation.times import duration_problem, timestamp_problem

Violation = tuple[str, str]

MOST_ENTRIES: Final = 20_000
"""Entries that all lists and maps of a request may have together: empty ones take two bytes each on the wire, and a
hundred times that to be looked at."""

_SHOWN_KEY: Final = 64


def check_request(request: Message) -> None:
    """Raises InvalidFields for what cannot be kept, and for more entries than are looked at.

    Items of a batch are counted but left alone: each is checked, and refused, for itself.
    """
    refuse(request_problems(request))


def request_problems(message: Message) -> Iterator[Violation]:
    """Yields the path of each value below a message that cannot be kept, and what is expected there."""
    return _FieldWalk().problems(message)


def refuse(problems: Iterator[Violation]) -> None:
    """Raises InvalidFields if there are any problems."""
    if first := next(problems, None):
        raise InvalidFields(chain((first,), problems))


@dataclass(frozen=True, slots=True)
class _Plan:
    """How the values of a field are looked at: by a check, or by walking the messages they are, or not at all."""

    check: Callable[[Any], str] | None
    is_walked: bool
    is_list: bool
    is_map: bool


class _FieldWalk:
    """One walk through a message, which ends where the entries become too many."""

    def __init__(self) -> None:
        self._left = MOST_ENTRIES

    def problems(self, message: Message) -> Iterator[Violation]:
        for field, value in message.ListFields():
            if self._left < 0:
                return
            name, plan = field.name, _plan(field)
            if plan.is_list or plan.is_map:
                yield from self._entries(name, plan, value)
            elif plan.is_walked:
                for path, problem in self.problems(value):
                    yield f"{name}.{path}", problem
            elif plan.check and (problem := plan.check(value)):
                yield name, problem

    def _entries(self, name: str, plan: _Plan, values: Any) -> Iterator[Violation]:
        # Before any is looked at, so that too many cost nothing.
        self._left -= len(values)
        if self._left < 0:
            yield name, f"must not bring the entries of all lists and maps together to more than {MOST_ENTRIES}"
            return
        if plan.is_map:
            yield from _key_problems(name, values)
        if plan.is_walked:
            for at, value in _numbered(plan, values):
                for path, problem in self.problems(value):
                    yield f"{name}[{quoted(at)}].{path}", problem
        elif plan.check:
            for at, value in _numbered(plan, values):
                if problem := plan.check(value):
                    yield f"{name}[{quoted(at)}]", problem


def _key_problems(name: str, keys: Iterable[str]) -> Iterator[Violation]:
    for key in keys:
        if problem := text_problem(key):
            yield f"{name}[{quoted(key)}]", f"key {problem}"


def _numbered(plan: _Plan, values: Any) -> Iterable[tuple[int | str, Any]]:
    """Returns the values with their places: numbers in a list, keys in a map."""
    return values.items() if plan.is_map else enumerate(values)


def quoted(name: int | str) -> str:
    """Returns a name as paths and messages show it: in quotes, escaped, and no longer than keys may be; or a number."""
    return json.dumps(name[:_SHOWN_KEY] if isinstance(name, str) else name, ensure_ascii=False)


_CHECKS: Final[Mapping[int, Callable[[Any], str]]] = {
    FieldDescriptor.TYPE_STRING: text_problem,
    FieldDescriptor.TYPE_DOUBLE: number_problem,
    FieldDescriptor.TYPE_FLOAT: number_problem,
}
_CHECKS_OF_MESSAGES: Final[Mapping[str, Callable[[Any], str]]] = {
    Duration.DESCRIPTOR.full_name: duration_problem,
    Timestamp.DESCRIPTOR.full_name: timestamp_problem,
}


@cache
def _plan(field: FieldDescriptor) -> _Plan:
    kind = field.message_type
    if kind is None:
        return _Plan(_CHECKS.get(field.type), is_walked=False, is_list=field.is_repeated, is_map=False)
    if kind.GetOptions().map_entry:
        value = _plan(kind.fields_by_name["value"])
        return _Plan(value.check, value.is_walked, is_list=False, is_map=True)
    check = _CHECKS_OF_MESSAGES.get(kind.full_name)
    # What a call carries many of has an outcome of its own.
    is_item = field.is_repeated and kind.name.endswith(("Request", "Document"))
    return _Plan(check, is_walked=not (check or is_item), is_list=field.is_repeated, is_map=False)
