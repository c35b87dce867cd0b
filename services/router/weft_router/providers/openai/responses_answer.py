"""Reads the answers of OpenAI's Responses: typed events, one of which is the end."""

from collections.abc import Sequence
from typing import Any, NoReturn

from weft.common.v1 import chat_pb2
from weft_router.providers import counts, encoding, fields, finish_reasons
from weft_router.providers.refusals.error_bodies import is_error
from weft_router.providers.refusals.errors import error_in_stream
from weft_router.providers.stream_reader import Answer
from weft_router.providers.tool_calls import ToolCall, read_arguments

STATE_NAME = "responses"
"""The name of this format's part of a call's `provider_state`."""

_Name = tuple[str, int | str]
"""How a provider names a call: the kind of name, its item or its index in the output, and the name."""

_REASONING: dict[str, Any] = {"type": "reasoning", "summary": [], "encrypted_content": ""}


class ResponsesAnswer(Answer):
    """Reads events by their `type`, ignoring unknown ones. The end is `response.completed`, or `response.incomplete`
    with a reason. A call may come in pieces, and whole in any of three events that end it. So may text, and servers
    leave out any of these events (Sophomoresty/gemini-web2api#57, agentgateway/agentgateway#2281).
    """

    def __init__(self, source: str = "") -> None:
        super().__init__(counts.openai(), source)
        self._calls: dict[_Name, ToolCall] = {}
        """The latest call for each of the provider's names."""
        self._by_id: dict[str, ToolCall] = {}
        self._told_by: dict[str, str] = {}
        """The kind of events that carry text, and the kind that carry reasoning; events of other kinds repeat it."""
        self._thoughts: list[dict[str, Any]] = []
        """The reasoning that does not belong to a call yet."""
        self._room = encoding.Room()

    def event(self, event: dict[str, Any]) -> bool:
        match event.get("type"):
            case "response.output_text.delta" | "response.refusal.delta" as kind:
                delta = event.get("delta")
                self._text(delta if type(delta) is str else fields.thoughts(delta, "delta"), "delta")
                self.refused |= kind == "response.refusal.delta"
            case "response.output_text.done" | "response.refusal.done" | "response.content_part.done" as kind:
                self._part(fields.mapping(event, "part") or event, kind)
            case "response.reasoning_summary_text.delta" | "response.reasoning_text.delta":
                self._think(fields.thoughts(event.get("delta"), "delta"), "delta")
            case "response.reasoning_summary_part.added" if event.get("summary_index"):
                self.reasoning.append("\n\n")
            case "response.function_call_arguments.delta" | "response.function_call_arguments.done":
                self._arguments(event)
            case "response.output_item.added" | "response.output_item.done" as kind:
                self._item(fields.mapping(event, "item"), event, kind)
            case "response.completed" | "response.incomplete" | "response.cancelled" as kind:
                return self._over(fields.mapping(event, "response"), kind.removeprefix("response."))
            case "response.failed" | "error":
                self._failed(event)
            case None:
                return self._untyped(event)
        return False

    def _untyped(self, event: dict[str, Any]) -> bool:
        """Takes in a response that was not streamed, or an error in another format."""
        if is_error(event):
            self._failed(event)
        return event.get("object") == "response" and self._over(event, "completed")

    def _failed(self, event: dict[str, Any]) -> NoReturn:
        """Raises the error in an event; tokens may have been used before it."""
        told = fields.mapping(event, "response") or event
        self.count(told.get("usage"))
        raise error_in_stream({"error": told.get("error") or event | {"type": ""}})

    def _text(self, text: str, kind: str) -> None:
        if text and self._told_by.setdefault("text", kind) == kind:
            self.say(text)

    def _think(self, text: str, kind: str) -> None:
        if text and self._told_by.setdefault("reasoning", kind) == kind:
            self.think(text)

    def _part(self, part: dict[str, Any], kind: str) -> None:
        """Takes in a complete part."""
        refusal = fields.text(part, "refusal")
        self.refused |= bool(refusal)
        self._text(refusal or fields.text(part, "text"), kind)

    def _arguments(self, event: dict[str, Any]) -> None:
        call = self._call(event)
        if (piece := event.get("delta")) is None:
            call.close(read_arguments(event.get("arguments")))
        else:
            call.add(read_arguments(piece))
            self.said.token_count += 1

    def _call(self, event: dict[str, Any]) -> ToolCall:
        """Returns the call whose arguments an event carries: the latest if it names none."""
        names = _names(event, {})
        given = event.get("call_id") or ""
        call = self._known(names) or self._by_id.get(given) or (None if names else self.calls.latest)
        if call is None:
            if not (names or given or event.get("name")):
                raise KeyError("output_index")
            call = self._new(given)
        for name in names:
            self._calls.setdefault(name, call)
        call.name = call.name or event.get("name") or ""
        return call

    def _known(self, names: Sequence[_Name]) -> ToolCall | None:
        return next((self._calls[name] for name in names if name in self._calls), None)

    def _new(self, given: str) -> ToolCall:
        call = self.calls.new(given, self._state())
        self._by_id.setdefault(given, call)
        return call

    def _state(self) -> str:
        """Returns the reasoning before a call."""
        thoughts = self._thoughts if self._room.was_enough else []
        self._thoughts, self._room = [], encoding.Room()
        return encoding.kept(STATE_NAME, thoughts, self.source) if thoughts else ""

    def _item(self, item: dict[str, Any], event: dict[str, Any], kind: str) -> None:
        """Takes in an item when it is complete, perhaps without a beginning; when it begins only calls matter."""
        is_whole = kind != "response.output_item.added"
        match item.get("type"):
            case "function_call":
                call = self._begun(_names(event, item), item, is_whole=is_whole)
                if is_whole:
                    call.close(read_arguments(item.get("arguments")))
            case "message" if is_whole:
                for part in fields.mappings(item, "content"):
                    self._part(part, kind)
            case "reasoning" if is_whole:
                if item.get("encrypted_content") and kind != "completed":
                    # Without its id, by which the provider would look for a stored item; nothing is stored.
                    thought = {name: item.get(name) or empty for name, empty in _REASONING.items()}
                    if self._room.take(thought):
                        self._thoughts.append(thought)
                self._think(fields.thoughts(item.get("summary") or item.get("content"), "summary"), kind)

    def _begun(self, names: Sequence[_Name], item: dict[str, Any], *, is_whole: bool) -> ToolCall:
        """Returns the call that an item describes."""
        given = item.get("call_id") or item.get("id") or ""
        call = self._known(names)
        if call is None or (given and call.given_id and given != call.given_id):
            call = (self._by_id.get(given) if is_whole and given else None) or self._new(given)
        for name in names:
            self._calls[name] = call
        call.name = call.name or item.get("name") or ""
        call.begin()
        self.said.token_count += 1
        return call

    def _over(self, response: dict[str, Any], event: str) -> bool:
        """Takes in the whole response; if the server streams, most of it came before."""
        self.count(response.get("usage"))
        if is_error(response):
            self._failed(response)
        self.raw_finish_reason = _finish_reason(response, event)
        output = fields.mappings(response, "output")
        are_calls = [item.get("type") == "function_call" for item in output]
        # If as many calls came before, one with an unknown id is not another call.
        are_told = len(self.calls) >= sum(are_calls)
        for item, is_call in zip(output, are_calls, strict=True):
            if not (is_call and are_told and (item.get("call_id") or "") not in self._by_id):
                self._item(item, {}, "completed")
        return True


def _finish_reason(response: dict[str, Any], event: str) -> str:
    """Returns the finish reason. Some servers never update the status."""
    status = response.get("status")
    word: str = status if status in ("failed", "cancelled", "incomplete") else event
    why = fields.text(fields.mapping(response, "incomplete_details"), "reason")
    if word != "incomplete" and not (word == "completed" and why):
        return word
    is_known = finish_reasons.meaning(why) != chat_pb2.FINISH_REASON_UNSPECIFIED
    return why if is_known else f"incomplete: {why}" if why else word


def _names(event: dict[str, Any], item: dict[str, Any]) -> list[_Name]:
    """Returns the provider's names for a call, the most reliable first: not every event has both, and some servers give
    all calls the same number.
    """
    told = {"item": item.get("id") or event.get("item_id"), "index": event.get("output_index")}
    return [(kind, name) for kind, name in told.items() if name not in (None, "")]
