"""What Anthropic's Messages answer: content blocks that begin, grow and end."""

from typing import Any

from weft.common.v1 import chat_pb2
from weft.job.v1 import event_pb2
from weft_router.providers import counts, fields, phrases
from weft_router.providers.answer import Answer
from weft_router.providers.failures import error_in_stream

STATE_NAME = "anthropic"
"""The name of this provider's part of a call's `provider_state`."""

_THINKING = ("thinking", "redacted_thinking")
_FINISH_REASONS = {
    "end_turn": chat_pb2.FINISH_REASON_STOP,
    "stop_sequence": chat_pb2.FINISH_REASON_STOP,
    "max_tokens": chat_pb2.FINISH_REASON_LENGTH,
    "model_context_window_exceeded": chat_pb2.FINISH_REASON_LENGTH,
    "tool_use": chat_pb2.FINISH_REASON_TOOL_CALLS,
    "refusal": chat_pb2.FINISH_REASON_CONTENT_FILTER,
}


class MessagesAnswer(Answer):
    """Blocks by their index; those that are neither text, thinking nor a call of our tools say nothing to us.

    Where the answer goes on from a text, `repeated` is the white space that text ended with, which was not sent.
    """

    finish_reasons = _FINISH_REASONS

    def __init__(self, repeated: str = "") -> None:
        super().__init__(counts.anthropic())
        self._repeated = repeated
        self._calls: dict[Any, int] = {}
        """Our number of a call by its block's index."""
        self._thoughts: dict[Any, dict[str, Any]] = {}
        """The thinking blocks that no call has been given yet, by index."""

    def event(self, event: dict[str, Any]) -> bool:
        match event.get("type"):
            case "content_block_delta":
                delta = event.get("delta")
                self._grow(event.get("index"), delta if type(delta) is dict else fields.mapping(event, "delta"))
            case "content_block_start":
                self._begin(event.get("index"), fields.mapping(event, "content_block"))
            case "message_delta":
                delta = fields.mapping(event, "delta")
                self.raw_finish_reason = fields.text(delta, "stop_reason") or self.raw_finish_reason
                self.count(event.get("usage"))
            case "message_start":
                self.count(fields.mapping(event, "message").get("usage"))
            case "message_stop":
                return True
            case "message":
                return self._whole(event)
            case "error":
                raise error_in_stream(event)
            case None if fields.tells_error(event):
                raise error_in_stream(event)
        return False

    def _whole(self, message: dict[str, Any]) -> bool:
        """Take in a message that was not streamed."""
        for index, block in enumerate(fields.mappings(message, "content")):
            self._begin(index, block)
        self.raw_finish_reason = fields.text(message, "stop_reason")
        self.count(message.get("usage"))
        return True

    def _begin(self, index: Any, block: dict[str, Any]) -> None:
        match block.get("type"):
            case "text":
                self._text(fields.text(block, "text", "content_block.text"))
            case "tool_use":
                self._call(index, block)
            case kind if kind in _THINKING:
                self._thoughts[index] = block
                self._think(fields.text(block, "thinking", "content_block.thinking"))

    def _grow(self, index: Any, delta: dict[str, Any]) -> None:
        match delta.get("type"):
            case "text_delta":
                text = delta.get("text")
                self._text(text if type(text) is str else fields.text(delta, "text", "delta.text"))
            case "thinking_delta":
                text = fields.text(delta, "thinking", "delta.thinking")
                thought = self._thought(index)
                thought["thinking"] = (thought.get("thinking") or "") + text
                self._think(text)
            case "signature_delta":
                self._thought(index)["signature"] = fields.text(delta, "signature", "delta.signature")
            case "input_json_delta" if index in self._calls and delta.get("partial_json"):
                self.said.tool_calls.add(index=self._calls[index], arguments_json=delta["partial_json"])
                self.said.token_count += 1

    def _thought(self, index: Any) -> dict[str, Any]:
        """Return a block of thinking, which not every server begins before it grows."""
        return self._thoughts.setdefault(index, {"type": "thinking", "thinking": ""})

    def _text(self, text: str) -> None:
        while self._repeated and text:
            if text[0] != self._repeated[0]:
                self._repeated = ""
                break
            text, self._repeated = text[1:], self._repeated[1:]
        if text:
            self.said.text += text
            self.said.token_count += 1

    def _think(self, text: str) -> None:
        if text:
            self.said.reasoning += text
            self.said.token_count += 1

    def _call(self, index: Any, block: dict[str, Any]) -> None:
        call = event_pb2.ToolCallDelta(index=self.calls, id=block["id"], name=block["name"])
        if block.get("input"):
            call.arguments_json = phrases.json_text(block["input"])
        if self._thoughts:
            # The model refuses to go on after a call whose thinking it does not see again.
            call.provider_state = phrases.kept(STATE_NAME, list(self._thoughts.values()))
            self._thoughts = {}
        self.said.tool_calls.append(call)
        self.said.token_count += 1
        self._calls[index] = self.calls
        self.calls += 1
