"""What OpenAI's Responses answer: typed events, one of which is the end."""

from typing import Any

from weft.common.v1 import chat_pb2
from weft_router.providers import phrases
from weft_router.providers.answer import Answer
from weft_router.providers.failures import error_in_stream

STATE_NAME = "responses"
"""The name of this format's part of a call's `provider_state`."""

_FINISH_REASONS = {
    "completed": chat_pb2.FINISH_REASON_STOP,
    "max_output_tokens": chat_pb2.FINISH_REASON_LENGTH,
    "content_filter": chat_pb2.FINISH_REASON_CONTENT_FILTER,
}
_REASONING: dict[str, Any] = {"type": "reasoning", "summary": [], "encrypted_content": ""}


class ResponsesAnswer(Answer):
    """Events by their `type`; those not known here say nothing we want. The end is `response.completed`, or
    `response.incomplete` with a reason.
    """

    finish_reasons = _FINISH_REASONS

    def __init__(self, source: str = "") -> None:
        super().__init__(source)
        self._calls: dict[int, int] = {}
        """Our number of a call by the provider's place of it among all its output."""
        self._untold: set[int] = set()
        """Calls of which no arguments came yet."""
        self._thoughts: list[dict[str, Any]] = []
        """The reasoning that no call has been given yet."""

    def event(self, event: dict[str, Any]) -> bool:
        match event["type"]:
            case "response.output_text.delta" | "response.refusal.delta" as kind:
                self.refused |= kind == "response.refusal.delta"
                self.said.text += event["delta"]
                self.said.token_count += 1
            case "response.reasoning_summary_text.delta" | "response.reasoning_text.delta":
                self.said.reasoning += event["delta"]
                self.said.token_count += 1
            case "response.reasoning_summary_part.added" if event.get("summary_index"):
                self.said.reasoning += "\n\n"
            case "response.function_call_arguments.delta":
                self._arguments(event["output_index"], event["delta"])
            case "response.output_item.added":
                self._item_began(event["output_index"], event["item"])
            case "response.output_item.done":
                self._item_ended(event["output_index"], event["item"])
            case "response.completed" | "response.incomplete":
                return self._over(event["response"])
            case "response.failed" | "error":
                error = event.get("response") or event
                raise error_in_stream({"error": error.get("error") or event | {"type": ""}})
        return False

    def _item_began(self, place: int, item: dict[str, Any]) -> None:
        if item["type"] != "function_call":
            return
        self._calls[place] = self.calls
        self._untold.add(place)
        call = self.said.tool_calls.add(index=self.calls, id=item["call_id"] or self.made_up_id(), name=item["name"])
        if self._thoughts:
            call.provider_state = phrases.kept(STATE_NAME, self._thoughts, self.source)
            self._thoughts = []
        self.said.token_count += 1
        self.calls += 1

    def _arguments(self, place: int, arguments: str) -> None:
        self._untold.discard(place)
        self.said.tool_calls.add(index=self._calls[place], arguments_json=arguments)
        self.said.token_count += 1

    def _item_ended(self, place: int, item: dict[str, Any]) -> None:
        """Take a call's arguments where they did not come in pieces, and reasoning that can be sent back."""
        if item["type"] == "reasoning" and item.get("encrypted_content"):
            # Without its id, by which the provider would look for what it was not to store.
            self._thoughts.append({name: item.get(name) or empty for name, empty in _REASONING.items()})
        if place in self._untold and (arguments := item.get("arguments")):
            self._arguments(place, arguments)

    def _over(self, response: dict[str, Any]) -> bool:
        self.raw_finish_reason = (response.get("incomplete_details") or {}).get("reason") or response["status"]
        if usage := response.get("usage"):
            self.report(_usage(usage))
        return True


def _usage(usage: dict[str, Any]) -> chat_pb2.Usage:
    read, written = usage.get("input_tokens_details") or {}, usage.get("output_tokens_details") or {}
    return chat_pb2.Usage(
        prompt_tokens=usage.get("input_tokens") or 0,
        completion_tokens=usage.get("output_tokens") or 0,
        cached_prompt_tokens=read.get("cached_tokens") or 0,
        reasoning_tokens=written.get("reasoning_tokens") or 0,
    )
