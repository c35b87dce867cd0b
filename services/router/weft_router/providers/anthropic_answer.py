"""What Anthropic's Messages answer: content blocks that begin, grow and end."""

from typing import Any

from weft.common.v1 import chat_pb2
from weft.job.v1 import event_pb2
from weft_router.providers import phrases
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

    def __init__(self, repeated: str = "", source: str = "") -> None:
        super().__init__(source)
        self._repeated = repeated
        self._calls: dict[int, int] = {}
        """Our number of a call by its block's index."""
        self._thoughts: dict[int, dict[str, Any]] = {}
        """The thinking blocks that no call has been given yet, by index."""
        self._counted: dict[str, Any] = {}

    def event(self, event: dict[str, Any]) -> bool:
        match event["type"]:
            case "content_block_delta":
                self._grow(event["index"], event["delta"])
            case "content_block_start":
                self._begin(event["index"], event["content_block"])
            case "message_delta":
                self.raw_finish_reason = event["delta"].get("stop_reason") or self.raw_finish_reason
                self._count(event.get("usage"))
            case "message_start":
                self._count(event["message"].get("usage"))
            case "message_stop":
                return True
            case "error":
                raise error_in_stream(event)
        return False

    def _begin(self, index: int, block: dict[str, Any]) -> None:
        match block["type"]:
            case "text":
                self._text(block.get("text") or "")
            case "tool_use":
                self._call(index, block)
            case kind if kind in _THINKING:
                self._thoughts[index] = block
                self._think(block.get("thinking") or "")

    def _grow(self, index: int, delta: dict[str, Any]) -> None:
        match delta["type"]:
            case "text_delta":
                self._text(delta["text"])
            case "thinking_delta":
                self._thoughts[index]["thinking"] += delta["thinking"]
                self._think(delta["thinking"])
            case "signature_delta":
                self._thoughts[index]["signature"] = delta["signature"]
            case "input_json_delta" if index in self._calls and delta["partial_json"]:
                self.said.tool_calls.add(index=self._calls[index], arguments_json=delta["partial_json"])
                self.said.token_count += 1

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

    def _call(self, index: int, block: dict[str, Any]) -> None:
        call = event_pb2.ToolCallDelta(index=self.calls, id=block["id"] or self.made_up_id(), name=block["name"])
        if block.get("input"):
            call.arguments_json = phrases.json_text(block["input"])
        if self._thoughts:
            # The model refuses to go on after a call whose thinking it does not see again.
            call.provider_state = phrases.kept(STATE_NAME, list(self._thoughts.values()), self.source)
            self._thoughts = {}
        self.said.tool_calls.append(call)
        self.said.token_count += 1
        self._calls[index] = self.calls
        self.calls += 1

    def _count(self, usage: dict[str, Any] | None) -> None:
        """Take in counts, which are totals: later ones replace earlier ones, and null says nothing."""
        if usage:
            self._counted |= {name: count for name, count in usage.items() if count is not None}
            self.report(_usage(self._counted))


def _usage(usage: dict[str, Any]) -> chat_pb2.Usage:
    read, written = usage.get("cache_read_input_tokens", 0), usage.get("cache_creation_input_tokens", 0)
    return chat_pb2.Usage(
        prompt_tokens=usage.get("input_tokens", 0) + read + written,
        completion_tokens=usage.get("output_tokens", 0),
        cached_prompt_tokens=read,
        cache_write_prompt_tokens=written,
        reasoning_tokens=usage.get("output_tokens_details", {}).get("thinking_tokens", 0),
    )
