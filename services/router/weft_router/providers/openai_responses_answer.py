"""What OpenAI's Responses answer: typed events, one of which is the end."""

from typing import Any, NoReturn

from weft.common.v1 import chat_pb2
from weft_router.providers import counts, fields
from weft_router.providers.answer import Answer
from weft_router.providers.failures import error_in_stream

_FINISH_REASONS = {
    "completed": chat_pb2.FINISH_REASON_STOP,
    "max_output_tokens": chat_pb2.FINISH_REASON_LENGTH,
    "content_filter": chat_pb2.FINISH_REASON_CONTENT_FILTER,
}


class ResponsesAnswer(Answer):
    """Events by their `type`; those not known here say nothing we want. The end is `response.completed`, or
    `response.incomplete` with a reason.
    """

    finish_reasons = _FINISH_REASONS

    def __init__(self) -> None:
        super().__init__(counts.openai())
        self._calls: dict[int, int] = {}
        """Our number of a call by the provider's place of it among all its output."""
        self._untold: set[int] = set()
        """Calls of which no arguments came yet."""

    def event(self, event: dict[str, Any]) -> bool:
        match event.get("type"):
            case "response.output_text.delta" | "response.refusal.delta" as kind:
                delta = event.get("delta")
                self._text(delta if type(delta) is str else fields.thoughts(delta, "delta"))
                self.refused |= kind == "response.refusal.delta"
            case "response.reasoning_summary_text.delta" | "response.reasoning_text.delta":
                self._think(fields.thoughts(event.get("delta"), "delta"))
            case "response.reasoning_summary_part.added" if event.get("summary_index"):
                self.said.reasoning += "\n\n"
            case "response.function_call_arguments.delta":
                self._arguments(event["output_index"], event["delta"])
            case "response.output_item.added":
                self._item_began(event["output_index"], event["item"])
            case "response.output_item.done":
                self._item_ended(event["output_index"], event["item"])
            case "response.completed" | "response.incomplete":
                return self._over(fields.mapping(event, "response"))
            case "response.failed" | "error":
                self._failed(event)
            case None:
                return self._untyped(event)
        return False

    def _untyped(self, event: dict[str, Any]) -> bool:
        """Take in a response that was not streamed, or an error as other formats tell it."""
        if fields.tells_error(event):
            self._failed(event)
        return event.get("object") == "response" and self._over(event)

    def _failed(self, event: dict[str, Any]) -> NoReturn:
        """Raise what an event says went wrong; it may have cost tokens before that."""
        told = fields.mapping(event, "response") or event
        self.count(told.get("usage"))
        raise error_in_stream({"error": told.get("error") or event | {"type": ""}})

    def _text(self, text: str) -> None:
        if text:
            self.said.text += text
            self.said.token_count += 1

    def _think(self, text: str) -> None:
        if text:
            self.said.reasoning += text
            self.said.token_count += 1

    def _item_began(self, place: int, item: dict[str, Any]) -> None:
        if item["type"] != "function_call":
            return
        self._calls[place] = self.calls
        self._untold.add(place)
        self.said.tool_calls.add(index=self.calls, id=item["call_id"], name=item["name"])
        self.said.token_count += 1
        self.calls += 1

    def _arguments(self, place: int, arguments: str) -> None:
        self._untold.discard(place)
        self.said.tool_calls.add(index=self._calls[place], arguments_json=arguments)
        self.said.token_count += 1

    def _item_ended(self, place: int, item: dict[str, Any]) -> None:
        """Take a call's arguments from its end where they did not come in pieces."""
        if place in self._untold and (arguments := item.get("arguments")):
            self._arguments(place, arguments)

    def _over(self, response: dict[str, Any]) -> bool:
        """Take in the whole response, of which everything was said before by a server that streams."""
        self.count(response.get("usage"))
        if fields.tells_error(response):
            self._failed(response)
        details = fields.mapping(response, "incomplete_details")
        self.raw_finish_reason = fields.text(details, "reason") or fields.text(response, "status") or "completed"
        if not (self.has_said or self.said.token_count):
            for place, item in enumerate(fields.mappings(response, "output")):
                self._item(place, item)
        return True

    def _item(self, place: int, item: dict[str, Any]) -> None:
        match item.get("type"):
            case "message":
                for part in fields.mappings(item, "content"):
                    self._text(fields.text(part, "text") or fields.text(part, "refusal"))
                    self.refused |= part.get("type") == "refusal"
            case "reasoning":
                self._think(fields.thoughts(item.get("summary") or item.get("content"), "summary"))
            case "function_call":
                self._item_began(place, item)
                self._item_ended(place, item)
