"""Reads the answers of Anthropic's Messages: content blocks that begin, grow and end."""

from dataclasses import dataclass, field
from typing import Any

from weft_router.providers import counts, encoding, fields, finish_reasons
from weft_router.providers.provider import broken
from weft_router.providers.refusals.error_bodies import is_error
from weft_router.providers.refusals.errors import error_in_stream
from weft_router.providers.stream_reader import Answer
from weft_router.providers.tool_calls import ToolCall, read_arguments

STATE_NAME = "anthropic"
"""The name of this provider's part of a call's `provider_state`."""

_THINKING = ("thinking", "redacted_thinking")


@dataclass(slots=True)
class _Thought:
    """A thinking block, whose text may come in very many pieces."""

    block: dict[str, Any]
    texts: list[str] = field(default_factory=list)

    def whole(self) -> dict[str, Any]:
        return self.block | ({"thinking": "".join(self.texts)} if self.block["type"] == "thinking" else {})


class MessagesAnswer(Answer):
    """Reads blocks by index; those other than text, thinking and calls of the request's tools are ignored.

    If the answer continues a prefix, `repeated` is the white space at the prefix's end, which was not sent.
    """

    def __init__(self, repeated: str = "", source: str = "") -> None:
        super().__init__(counts.anthropic(), source)
        self._repeated = repeated
        self._calls: dict[Any, ToolCall | None] = {}
        """Calls by the index of their block; None for blocks of other kinds."""
        self._thoughts: dict[Any, _Thought] = {}
        """The thinking blocks that do not belong to a call yet, by index."""
        self._room = encoding.Room()

    def event(self, event: dict[str, Any]) -> bool:
        match event.get("type"):
            case "content_block_delta":
                delta = event.get("delta")
                self._grow(event.get("index"), delta if type(delta) is dict else fields.mapping(event, "delta"))
            case "content_block_start":
                self._begin(event.get("index"), fields.mapping(event, "content_block"))
            case "message_delta":
                delta = fields.mapping(event, "delta")
                self.raw_finish_reason = finish_reasons.said(delta.get("stop_reason")) or self.raw_finish_reason
                self.count(event.get("usage"))
            case "message_start":
                self.count(fields.mapping(event, "message").get("usage"))
            case "message_stop":
                return True
            case "message":
                return self._whole(event)
            case "error":
                raise error_in_stream(event)
            case None if is_error(event):
                raise error_in_stream(event)
        return False

    def _whole(self, message: dict[str, Any]) -> bool:
        """Takes in a message that was not streamed."""
        for index, block in enumerate(fields.mappings(message, "content")):
            self._begin(index, block)
        self.raw_finish_reason = finish_reasons.said(message.get("stop_reason")) or None
        self.count(message.get("usage"))
        return True

    def _begin(self, index: Any, block: dict[str, Any]) -> None:
        match block.get("type"):
            case "text":
                self._text(fields.text(block, "text", "content_block.text"))
            case "tool_use":
                self._call(index, block)
            case kind if kind in _THINKING:
                text = fields.text(block, "thinking", "content_block.thinking")
                if self._room.take(block):
                    self._thoughts[index] = _Thought(block, [text])
                self.think(text)
            case _:
                self._calls[index] = None

    def _grow(self, index: Any, delta: dict[str, Any]) -> None:
        match delta.get("type"):
            case "text_delta":
                text = delta.get("text")
                self._text(text if type(text) is str else fields.text(delta, "text", "delta.text"))
            case "thinking_delta":
                text = fields.text(delta, "thinking", "delta.thinking")
                if text and self._room.take(text):
                    self._thought(index).texts.append(text)
                self.think(text)
            case "signature_delta":
                signature = fields.text(delta, "signature", "delta.signature")
                if signature and self._room.take(signature):
                    self._thought(index).block["signature"] = signature
            case "input_json_delta" if delta.get("partial_json") and (call := self._growing(index)):
                call.add(read_arguments(delta["partial_json"]))
                self.said.token_count += 1

    def _growing(self, index: Any) -> ToolCall | None:
        """Returns the call whose arguments a delta carries, with or without its index; None for another kind of block.

        Raises:
            ProviderError: no call has begun.
        """
        if index in self._calls:
            return self._calls[index]
        if self.calls.latest is None:
            raise broken("told arguments of a call that it had not begun")
        return self.calls.latest

    def _thought(self, index: Any) -> _Thought:
        """Returns a thinking block; not every server begins it before sending its text."""
        return self._thoughts.setdefault(index, _Thought({"type": "thinking"}))

    def _text(self, text: str) -> None:
        while self._repeated and text:
            if text[0] != self._repeated[0]:
                self._repeated = ""
                break
            text, self._repeated = text[1:], self._repeated[1:]
        self.say(text)

    def _call(self, index: Any, block: dict[str, Any]) -> None:
        """Takes in a call. Some servers send its input here, and some of them send it again in pieces."""
        call = self.calls.new(block.get("id") or "", self._state())
        call.name = block.get("name") or ""
        call.begin()
        if block.get("input"):
            call.hold(read_arguments(block["input"]))
        self._calls[index] = call
        self.said.token_count += 1

    def _state(self) -> str:
        """Returns the thinking before a call, without which the model refuses to continue after it."""
        thoughts = [thought.whole() for thought in self._thoughts.values()] if self._room.was_enough else []
        self._thoughts, self._room = {}, encoding.Room()
        return encoding.kept(STATE_NAME, thoughts, self.source) if thoughts else ""
