"""What an answer says so far."""

from pydantic_core import from_json

from weft.common.v1 import chat_pb2
from weft.job.v1 import event_pb2


class Transcript:
    """Gathers deltas into text, tool calls and, apart from them, reasoning."""

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._thoughts: list[str] = []
        self._calls: dict[int, chat_pb2.ToolCall] = {}
        self._arguments: dict[int, list[str]] = {}
        """Pieces: a message's text would be copied whenever one is added."""
        self.token_count = 0

    def __bool__(self) -> bool:
        return bool(self._texts or self._calls or self._thoughts)

    def add(self, delta: event_pb2.Delta) -> None:
        self.token_count += delta.token_count
        if delta.text:
            self._texts.append(delta.text)
        if delta.reasoning:
            self._thoughts.append(delta.reasoning)
        for piece in delta.tool_calls:
            call = self._calls.setdefault(piece.index, chat_pb2.ToolCall())
            call.id = call.id or piece.id
            call.name = call.name or piece.name
            self._arguments.setdefault(piece.index, []).append(piece.arguments_json)
            call.provider_state = call.provider_state or piece.provider_state

    @property
    def is_text(self) -> bool:
        """Whether it is text alone."""
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
        for index, pieces in self._arguments.items():
            self._calls[index].arguments_json = "".join(pieces)
        return [self._calls[index] for index in sorted(self._calls)]

    def cut_off_call(self) -> str | None:
        """Return the name of a tool call whose arguments are not whole JSON, if there is one."""
        return next((call.name or "(unnamed)" for call in self.tool_calls if not _is_json(call)), None)


def _is_json(call: chat_pb2.ToolCall) -> bool:
    try:
        from_json(call.arguments_json or "{}")
    except ValueError:
        return False
    return True
