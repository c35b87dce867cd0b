"""What Anthropic's Messages answer: content blocks that begin, grow and end."""

from typing import Any

from weft.common.v1 import chat_pb2
from weft_router.providers import finish_reasons, phrases
from weft_router.providers.answer import Answer
from weft_router.providers.failures import error_in_stream
from weft_router.providers.tool_calls import Call, arguments_text

STATE_NAME = "anthropic"
"""The name of this provider's part of a call's `provider_state`."""

_THINKING = ("thinking", "redacted_thinking")


class MessagesAnswer(Answer):
    """Blocks by their index; those that are neither text, thinking nor a call of our tools say nothing to us.

    Where the answer goes on from a text, `repeated` is the white space that text ended with, which was not sent.
    """

    def __init__(self, repeated: str = "", source: str = "") -> None:
        super().__init__(source)
        self._repeated = repeated
        self._calls: dict[int, Call] = {}
        """Calls by the index of their block."""
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
                self.raw_finish_reason = (
                    finish_reasons.said(event["delta"].get("stop_reason")) or self.raw_finish_reason
                )
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
                self._calls[index].add(arguments_text(delta["partial_json"]))
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
        """Take in a call; some servers tell its input here, and some of those tell it again in pieces."""
        state = ""
        if self._thoughts:
            # The model refuses to go on after a call whose thinking it does not see again.
            state = phrases.kept(STATE_NAME, list(self._thoughts.values()), self.source)
            self._thoughts = {}
        call = self.calls.new(block.get("id") or "", state)
        call.name = block.get("name") or ""
        call.begin()
        if block.get("input"):
            call.hold(arguments_text(block["input"]))
        self._calls[index] = call
        self.said.token_count += 1

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
