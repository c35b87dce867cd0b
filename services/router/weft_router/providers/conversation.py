"""Puts a conversation into the form that every provider accepts: each call has a unique id, and its one result follows
at once.

Order and ids carry no meaning, so they are corrected. A missing result is reported to the model, a missing call to the
caller. Reported in anthropics/claude-code#1776 and anomalyco/opencode#3230 (calls without results),
charmbracelet/crush#279 (a user between a call and its result), camel-ai/camel#2215 (ids that are too long) and
brainlid/langchain#620 (ids that occur twice).
"""

import re
from collections import Counter, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256

from weft.common.v1 import chat_pb2
from weft_router.providers.provider import ProviderError, unsupported

UNANSWERED = "There is no result: the call was not answered."
"""The result of a call that has none, because the user went on or the program stopped before it came. Every provider
requires one, and a model that reads this does not assume that the call was done."""

OPENING = "(The conversation goes on.)"
"""The user's first message, for conversations that begin with the assistant in formats that require the user to
begin."""


@dataclass(frozen=True, slots=True)
class CallIds:
    """The call ids that a format accepts. An id that does not `fit` is replaced by one derived from it alone, which is
    the same in every turn of a conversation and for all who share a cached prompt.
    """

    fit: re.Pattern[str]
    prefix: str = "call_"
    digits: int = 24

    def made_of(self, call_id: str, number: int) -> str:
        digest = sha256(f"{number}:{call_id}".encode("utf-8", "surrogatepass")).hexdigest()
        return self.prefix + digest[: self.digits]


class _ToolCall:
    """A call, and its result."""

    __slots__ = ("id", "result")

    def __init__(self, call_id: str) -> None:
        self.id = call_id
        self.result: chat_pb2.Message | None = None


class _Calls:
    """All calls of one conversation, by the ids that its messages use."""

    def __init__(self, ids: CallIds) -> None:
        self._ids = ids
        self._used: set[str] = set()
        self._times: Counter[str] = Counter()
        self._open: dict[str, list[deque[_ToolCall]]] = {}
        """Calls without a result, in order, for each turn that used the id."""

    def made(self, calls: Iterable[chat_pb2.ToolCall]) -> list[_ToolCall]:
        """Returns the calls of one turn, each with an id that no other call has."""
        turn: dict[str, deque[_ToolCall]] = {}
        made = []
        for call in calls:
            made.append(_ToolCall(self._id(call.id)))
            turn.setdefault(call.id, deque()).append(made[-1])
        for call_id, waiting in turn.items():
            self._open.setdefault(call_id, []).append(waiting)
        return made

    def waiting(self, call_id: str) -> _ToolCall | None:
        """Returns the call that a result belongs to: the first one with its id in the latest turn."""
        turns = self._open.get(call_id, [])
        while turns and not turns[-1]:
            turns.pop()
        return turns[-1].popleft() if turns else None

    def _id(self, call_id: str) -> str:
        sent = call_id if self._ids.fit.fullmatch(call_id) else ""
        while not sent or sent in self._used:
            sent = self._ids.made_of(call_id, self._times[call_id])
            self._times[call_id] += 1
        self._used.add(sent)
        return sent


def arranged(messages: Sequence[chat_pb2.Message], ids: CallIds) -> list[chat_pb2.Message]:
    """Returns the messages with each call's result directly after it, in the order of the calls, and with acceptable
    ids.

    A blank message of the assistant is left out.

    Raises:
        ProviderError: a result belongs to no call.
    """
    calls = _Calls(ids)
    turns: list[tuple[chat_pb2.Message, list[_ToolCall]]] = []
    for place, message in enumerate(messages):
        if message.role != chat_pb2.ROLE_TOOL:
            if message.role != chat_pb2.ROLE_ASSISTANT or message.tool_calls or not is_blank(message.parts):
                turns.append((message, calls.made(message.tool_calls)))
            continue
        call = calls.waiting(message.tool_call_id)
        if call is None:
            raise _orphan(place, message)
        call.result = message
    return [one for message, made in turns for one in _turn(message, made)]


def is_blank(parts: Iterable[chat_pb2.ContentPart]) -> bool:
    """Returns whether all parts are blank: no image, and only white space."""
    return all(part.WhichOneof("part") == "text" and not part.text.strip() for part in parts)


def _turn(message: chat_pb2.Message, made: Sequence[_ToolCall]) -> list[chat_pb2.Message]:
    if not made:
        return [message]
    if any(call.id != told.id for call, told in zip(message.tool_calls, made, strict=True)):
        renamed = chat_pb2.Message()
        renamed.CopyFrom(message)
        for call, told in zip(renamed.tool_calls, made, strict=True):
            call.id = told.id
        message = renamed
    return [message, *(_result(call) for call in made)]


def _result(call: _ToolCall) -> chat_pb2.Message:
    if call.result is not None and call.result.tool_call_id == call.id:
        return call.result
    parts = [chat_pb2.ContentPart(text=UNANSWERED)] if call.result is None else call.result.parts
    return chat_pb2.Message(role=chat_pb2.ROLE_TOOL, tool_call_id=call.id, parts=parts)


def _orphan(place: int, message: chat_pb2.Message) -> ProviderError:
    return unsupported(
        f"messages[{place}] is the result of a call {message.tool_call_id[:64]!r} that no message before it makes, or"
        " that has a result already; send the assistant's message with the call, or leave the result out"
    )
