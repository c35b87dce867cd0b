"""What OpenAI's Responses answer: typed events, one of which is the end."""

from typing import Any

from weft.common.v1 import chat_pb2
from weft_router.providers import finish_reasons, phrases
from weft_router.providers.answer import Answer
from weft_router.providers.failures import error_in_stream
from weft_router.providers.tool_calls import Call, arguments_text

STATE_NAME = "responses"
"""The name of this format's part of a call's `provider_state`."""

_REASONING: dict[str, Any] = {"type": "reasoning", "summary": [], "encrypted_content": ""}


class ResponsesAnswer(Answer):
    """Events by their `type`; those not known here say nothing we want. The end is `response.completed`, or
    `response.incomplete` with a reason. A call may come in pieces, and whole in any of three events that end it.
    """

    def __init__(self, source: str = "") -> None:
        super().__init__(source)
        self._calls: dict[int | str, Call] = {}
        """Calls by the provider's place of them among all its output."""
        self._by_id: dict[str, Call] = {}
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
                self._call(event).add(arguments_text(event["delta"]))
                self.said.token_count += 1
            case "response.function_call_arguments.done":
                self._call(event).close(arguments_text(event.get("arguments")))
            case "response.output_item.added" | "response.output_item.done" as kind:
                self._item(_place(event | event["item"]), event["item"], is_whole=kind.endswith("done"))
            case "response.completed" | "response.incomplete" | "response.cancelled" as kind:
                return self._over(event["response"], kind.removeprefix("response."))
            case "response.failed" | "error":
                error = event.get("response") or event
                raise error_in_stream({"error": error.get("error") or event | {"type": ""}})
        return False

    def _call(self, event: dict[str, Any]) -> Call:
        """Return the call whose arguments an event tells."""
        place = _place(event)
        if place not in self._calls:
            self._calls[place] = self._new("")
        return self._calls[place]

    def _new(self, given: str) -> Call:
        state = phrases.kept(STATE_NAME, self._thoughts, self.source) if self._thoughts else ""
        self._thoughts = []
        call = self.calls.new(given, state)
        self._by_id.setdefault(given, call)
        return call

    def _item(self, place: int | str, item: dict[str, Any], *, is_whole: bool) -> None:
        """Take in a call as it begins, or as it ends: then it may be the first that is told of it."""
        if is_whole and item["type"] == "reasoning" and item.get("encrypted_content"):
            # Without its id, by which the provider would look for what it was not to store.
            self._thoughts.append({name: item.get(name) or empty for name, empty in _REASONING.items()})
        if item["type"] != "function_call":
            return
        given, call = item.get("call_id") or item.get("id") or "", self._calls.get(place)
        if call is None or (given and call.given_id and given != call.given_id):
            call = (self._by_id.get(given) if is_whole and given else None) or self._new(given)
            self._calls[place] = call
        call.name = call.name or item.get("name") or ""
        call.begin()
        self.said.token_count += 1
        if is_whole:
            call.close(arguments_text(item.get("arguments")))

    def _over(self, response: dict[str, Any], event: str) -> bool:
        status = response.get("status")
        # Some servers leave the status as it was when they began.
        word = status if status in ("failed", "cancelled", "incomplete") else event
        if word == "incomplete":
            why = (response.get("incomplete_details") or {}).get("reason") or ""
            is_known = finish_reasons.meaning(why) != chat_pb2.FINISH_REASON_UNSPECIFIED
            word = why if is_known else f"incomplete: {why}" if why else word
        self.raw_finish_reason = word
        if usage := response.get("usage"):
            self.report(_usage(usage))
        for place, item in enumerate(response.get("output") or ()):
            if item.get("type") == "function_call":
                self._item(f"output {place}", item, is_whole=True)
        return True


def _place(event: dict[str, Any]) -> int | str:
    place: int | str = event["output_index"] if "output_index" in event else event.get("item_id") or event["id"]
    return place


def _usage(usage: dict[str, Any]) -> chat_pb2.Usage:
    read, written = usage.get("input_tokens_details") or {}, usage.get("output_tokens_details") or {}
    return chat_pb2.Usage(
        prompt_tokens=usage.get("input_tokens") or 0,
        completion_tokens=usage.get("output_tokens") or 0,
        cached_prompt_tokens=read.get("cached_tokens") or 0,
        reasoning_tokens=written.get("reasoning_tokens") or 0,
    )
