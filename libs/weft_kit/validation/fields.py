"""The rules for every request, whichever service it is for: a limited number of entries, and values that can be stored.

A message is walked by its descriptors, and only through the fields that are set: that costs about as much as decoding
did, and includes every field added later. What a field may mean is for its service to check.
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
"""Limit on the entries of all lists and maps of a request together: an empty one takes only two bytes on the wire, but
far more to examine."""

_SHOWN_KEY: Final = 64


def check_request(request: Message) -> None:
    """Raises InvalidFields for values that cannot be stored, and for too many entries.

    The items of a batch are only counted: each is checked, and refused, on its own.
    """
    refuse(request_problems(request))


def request_problems(message: Message) -> Iterator[Violation]:
    """Yields the path of each value in a message that cannot be stored, and what is expected there."""
    return _FieldWalk().problems(message)


def refuse(problems: Iterator[Violation]) -> None:
    """Raises InvalidFields if there are any problems."""
    if first := next(problems, None):
        raise InvalidFields(chain((first,), problems))


@dataclass(frozen=True, slots=True)
class _Plan:
    """How the values of a field are examined: by a check, by walking through them as messages, or not at all."""

    check: Callable[[Any], str] | None
    is_walked: bool
    is_list: bool
    is_map: bool


class _FieldWalk:
    """One walk through a message, which ends when there are too many entries."""

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
        # Before any is examined, so that too many cost nothing.
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
    """Returns the values, each with its index in a list or its key in a map."""
    return values.items() if plan.is_map else enumerate(values)


def quoted(name: int | str) -> str:
    """Returns a key as paths and messages show it: in quotes, escaped and cut to 64 characters; or an index."""
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
    # The items of a batch, which each have an outcome of their own.
    is_item = field.is_repeated and kind.name.endswith(("Request", "Document"))
    return _Plan(check, is_walked=not (check or is_item), is_list=field.is_repeated, is_map=False)
