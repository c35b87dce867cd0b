"""The answer so far."""

from dataclasses import dataclass, field

from pydantic_core import from_json

from weft.common.v1 import chat_pb2
from weft.job.v1 import event_pb2


@dataclass(slots=True)
class _CallSoFar:
    """A tool call as it arrives: its arguments may come in very many pieces."""

    id: str = ""
    name: str = ""
    provider_state: str = ""
    arguments: list[str] = field(default_factory=list)

    def add(self, piece: event_pb2.ToolCallDelta) -> None:
        self.id = self.id or piece.id
        self.name = self.name or piece.name
        self.provider_state = self.provider_state or piece.provider_state
        self.arguments.append(piece.arguments_json)

    def to_wire(self) -> chat_pb2.ToolCall:
        return chat_pb2.ToolCall(
            id=self.id, name=self.name, arguments_json="".join(self.arguments), provider_state=self.provider_state
        )


class AnswerSoFar:
    """Collects deltas into text, tool calls and, separately, reasoning."""

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._thoughts: list[str] = []
        self._calls: dict[int, _CallSoFar] = {}
        self.token_count = 0
        self.size_bytes = 0
        """What all of it takes in a record."""

    def __bool__(self) -> bool:
        return bool(self._texts or self._calls or self._thoughts)

    def add(self, delta: event_pb2.Delta) -> None:
        self.token_count += delta.token_count
        if delta.text:
            self._texts.append(delta.text)
            self.size_bytes += len(delta.text.encode())
        if delta.reasoning:
            self._thoughts.append(delta.reasoning)
            self.size_bytes += len(delta.reasoning.encode())
        for piece in delta.tool_calls:
            self._calls.setdefault(piece.index, _CallSoFar()).add(piece)
            self.size_bytes += piece.ByteSize()

    @property
    def is_text(self) -> bool:
        """Whether it consists of text only."""
        return not self._calls and not self._thoughts

    @property
    def text(self) -> str:
        return "".join(self._texts)

    @property
    def reasoning(self) -> str:
        return "".join(self._thoughts)

    @property
    def tool_calls(self) -> list[chat_pb2.ToolCall]:
        """The calls in the order of their indexes."""
        return [self._calls[index].to_wire() for index in sorted(self._calls)]

    @property
    def call_indexes(self) -> set[int]:
        """The indexes of the calls begun."""
        return set(self._calls)

    def broken_call(self) -> chat_pb2.ToolCall | None:
        """Returns a tool call without a name, or with arguments that are not complete JSON, if there is one."""
        calls = map(_CallSoFar.to_wire, self._calls.values())
        return next(
            (call for call in calls if not call.name.strip() or not _is_json(call.arguments_json or "{}")), None
        )

    @property
    def is_empty(self) -> bool:
        """Whether it has neither text nor calls; reasoning is no answer."""
        return not self._calls and not any(text.strip() for text in self._texts)


def _is_json(text: str) -> bool:
    try:
        from_json(text, allow_inf_nan=False)
    except ValueError:
        return False
    return True
