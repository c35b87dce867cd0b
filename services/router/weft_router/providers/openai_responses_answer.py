"""What OpenAI's Responses answer: typed events, one of which is the end."""

from typing import Any, NoReturn

from weft.common.v1 import chat_pb2
from weft_router.providers import counts, fields, finish_reasons, phrases
from weft_router.providers.answer import Answer
from weft_router.providers.error_bodies import is_error
from weft_router.providers.failures import error_in_stream
from weft_router.providers.tool_calls import Call, read_arguments

STATE_NAME = "responses"
"""The name of this format's part of a call's `provider_state`."""

_REASONING: dict[str, Any] = {"type": "reasoning", "summary": [], "encrypted_content": ""}


class ResponsesAnswer(Answer):
    """Events by their `type`; those not known here say nothing we want. The end is `response.completed`, or
    `response.incomplete` with a reason. A call may come in pieces, and whole in any of three events that end it.
    """

    def __init__(self, source: str = "") -> None:
        super().__init__(counts.openai(), source)
        self._calls: dict[int | str, Call] = {}
        """Calls by the provider's place of them among all its output."""
        self._by_id: dict[str, Call] = {}
        self._thoughts: list[dict[str, Any]] = []
        """The reasoning that no call has been given yet."""
        self._room = phrases.Room()

    def event(self, event: dict[str, Any]) -> bool:
        match event.get("type"):
            case "response.output_text.delta" | "response.refusal.delta" as kind:
                delta = event.get("delta")
                self.say(delta if type(delta) is str else fields.thoughts(delta, "delta"))
                self.refused |= kind == "response.refusal.delta"
            case "response.reasoning_summary_text.delta" | "response.reasoning_text.delta":
                self.think(fields.thoughts(event.get("delta"), "delta"))
            case "response.reasoning_summary_part.added" if event.get("summary_index"):
                self.reasoning.append("\n\n")
            case "response.function_call_arguments.delta":
                self._call(event).add(read_arguments(event.get("delta")))
                self.said.token_count += 1
            case "response.function_call_arguments.done":
                self._call(event).close(read_arguments(event.get("arguments")))
            case "response.output_item.added" | "response.output_item.done" as kind:
                item = fields.mapping(event, "item")
                self._item(_place(event | item), item, is_whole=kind.endswith("done"))
            case "response.completed" | "response.incomplete" | "response.cancelled" as kind:
                return self._over(fields.mapping(event, "response"), kind.removeprefix("response."))
            case "response.failed" | "error":
                self._failed(event)
            case None:
                return self._untyped(event)
        return False

    def _untyped(self, event: dict[str, Any]) -> bool:
        """Take in a response that was not streamed, or an error as other formats tell it."""
        if is_error(event):
            self._failed(event)
        return event.get("object") == "response" and self._over(event, "completed")

    def _failed(self, event: dict[str, Any]) -> NoReturn:
        """Raise what an event says went wrong; it may have cost tokens before that."""
        told = fields.mapping(event, "response") or event
        self.count(told.get("usage"))
        raise error_in_stream({"error": told.get("error") or event | {"type": ""}})

    def _call(self, event: dict[str, Any]) -> Call:
        """Return the call whose arguments an event tells."""
        place = _place(event)
        if place not in self._calls:
            self._calls[place] = self._new("")
        return self._calls[place]

    def _new(self, given: str) -> Call:
        call = self.calls.new(given, self._state())
        self._by_id.setdefault(given, call)
        return call

    def _state(self) -> str:
        """Return the reasoning before a call."""
        thoughts = self._thoughts if self._room.was_enough else []
        self._thoughts, self._room = [], phrases.Room()
        return phrases.kept(STATE_NAME, thoughts, self.source) if thoughts else ""

    def _item(self, place: int | str, item: dict[str, Any], *, is_whole: bool) -> None:
        """Take in a call as it begins, or as it ends: then it may be the first that is told of it."""
        if is_whole and item.get("type") == "reasoning" and item.get("encrypted_content"):
            # Without its id, by which the provider would look for what it was not to store.
            thought = {name: item.get(name) or empty for name, empty in _REASONING.items()}
            if self._room.take(thought):
                self._thoughts.append(thought)
        if item.get("type") != "function_call":
            return
        given, call = item.get("call_id") or item.get("id") or "", self._calls.get(place)
        if call is None or (given and call.given_id and given != call.given_id):
            call = (self._by_id.get(given) if is_whole and given else None) or self._new(given)
            self._calls[place] = call
        call.name = call.name or item.get("name") or ""
        call.begin()
        self.said.token_count += 1
        if is_whole:
            call.close(read_arguments(item.get("arguments")))

    def _over(self, response: dict[str, Any], event: str) -> bool:
        """Take in the whole response, of which everything was said before by a server that streams."""
        self.count(response.get("usage"))
        if is_error(response):
            self._failed(response)
        self.raw_finish_reason = _finish_reason(response, event)
        was_streamed = self.has_said or self.said.token_count
        for place, item in enumerate(fields.mappings(response, "output")):
            if item.get("type") == "function_call":
                self._item(f"output {place}", item, is_whole=True)
            elif not was_streamed:
                self._unstreamed(item)
        return True

    def _unstreamed(self, item: dict[str, Any]) -> None:
        if item.get("type") == "message":
            for part in fields.mappings(item, "content"):
                self.say(fields.text(part, "text") or fields.text(part, "refusal"))
                self.refused |= part.get("type") == "refusal"
        elif item.get("type") == "reasoning":
            self.think(fields.thoughts(item.get("summary") or item.get("content"), "summary"))


def _finish_reason(response: dict[str, Any], event: str) -> str:
    """Return the word for the end. Some servers leave the status as it was when they began."""
    status = response.get("status")
    word: str = status if status in ("failed", "cancelled", "incomplete") else event
    if word != "incomplete":
        return word
    why = fields.text(fields.mapping(response, "incomplete_details"), "reason")
    is_known = finish_reasons.meaning(why) != chat_pb2.FINISH_REASON_UNSPECIFIED
    return why if is_known else f"incomplete: {why}" if why else word


def _place(event: dict[str, Any]) -> int | str:
    names = (name for name in ("output_index", "item_id", "id") if event.get(name) is not None)
    place: int | str = event[next(names, "output_index")]
    return place
