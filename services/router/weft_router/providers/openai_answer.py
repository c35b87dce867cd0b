"""What OpenAI's chat completions, and the many servers that speak them, answer: chunks, then an end marker."""

from typing import Any

from weft.common.v1 import chat_pb2
from weft.job.v1 import event_pb2
from weft_router.providers import counts, fields
from weft_router.providers.answer import Answer
from weft_router.providers.failures import error_in_stream
from weft_router.providers.port import broken

_FINISH_REASONS = {
    "stop": chat_pb2.FINISH_REASON_STOP,
    "length": chat_pb2.FINISH_REASON_LENGTH,
    "tool_calls": chat_pb2.FINISH_REASON_TOOL_CALLS,
    "function_call": chat_pb2.FINISH_REASON_TOOL_CALLS,
    "content_filter": chat_pb2.FINISH_REASON_CONTENT_FILTER,
}

_REASONING = ("reasoning_content", "reasoning", "reasoning_details", "thinking")


class ChatAnswer(Answer):
    """Chunks, then an end marker. Only the first choice is read."""

    end_marker = "[DONE]"
    finish_reasons = _FINISH_REASONS

    def __init__(self) -> None:
        super().__init__(counts.openai())
        self._goes_on = False
        """Whether something was said behind a finish reason, which then says nothing about the end."""
        self._has_messages = False
        """Whether messages came in the place of deltas."""
        self._call_ids: list[str] = []
        self._by_index: dict[int | None, int] = {}
        """The latest call by the server's number for it; by None the latest of all."""

    def event(self, event: dict[str, Any]) -> bool:
        if usage := event.get("usage"):
            self.count(usage)
        choices = event.get("choices")
        if "error" in event or type(choices) is not list or "x_groq" in event:
            choices = self._odd(event)
        for choice in choices:
            if type(choice) is not dict or not (choice.get("index") == 0 or _is_first(choice, choices)):
                continue
            delta, is_last = choice.get("delta"), choice.get("finish_reason") or self.raw_finish_reason
            if is_last or type(delta) is not dict or not delta:
                self._delta(self._ending(choice))
            elif len(delta) == 1 and type(text := delta.get("content")) is str and text:  # nearly every chunk there is
                said = self.said
                said.token_count += 1
                said.text += text
            else:
                self._delta(delta)
        return False

    def body_ended(self) -> None:
        """Take the end of the body for the end where a finish reason came, and nothing was said behind it."""
        if self._goes_on:
            raise broken("ended its stream without the end marker")
        super().body_ended()

    def _odd(self, event: dict[str, Any]) -> list[Any]:
        """Return the choices of an event that says more, or less, than those.

        Raises:
            ProviderError: it tells of an error, or its choices are none.
        """
        groq, minimax = fields.mapping(event, "x_groq"), fields.mapping(event, "base_resp")
        self.count(groq.get("usage"))
        choices = event.get("choices")
        if event.get("error") and fields.tells_error(event):
            raise error_in_stream(event)
        if groq.get("error"):
            raise error_in_stream({"error": groq["error"]})
        if minimax.get("status_code"):
            raise error_in_stream({"error": {"code": minimax["status_code"], "message": minimax.get("status_msg")}})
        if isinstance(choices, list):
            return choices
        if not choices:
            if fields.tells_error(event):
                raise error_in_stream(event)
            return []
        if isinstance(choices, dict):
            return [choices] if choices.keys() & {"delta", "message", "text"} else list(choices.values())
        raise fields.unreadable("choices", choices, "a list")

    def _ending(self, choice: dict[str, Any]) -> dict[str, Any]:
        """Return the delta of a choice that may be its last, may count, fail, or be whole instead of a part."""
        self.count(choice.get("usage"))
        if choice.get("error") and fields.tells_error(choice):
            raise error_in_stream(choice)
        delta = choice.get("delta")
        if not delta:
            delta = self._message(choice) or {"content": choice.get("text")}
        if not isinstance(delta, dict):
            delta = {"content": delta}
        if self.raw_finish_reason and (delta.get("content") or delta.get("tool_calls")):
            self._goes_on = True
        self.raw_finish_reason = fields.text(choice, "finish_reason") or self.raw_finish_reason
        return delta

    def _message(self, choice: dict[str, Any]) -> Any:
        """Return the message of a choice without a delta; behind deltas it is only their sum."""
        self._has_messages |= not (self.has_said or self.said.token_count)
        return choice.get("message") if self._has_messages else None

    def _delta(self, delta: dict[str, Any]) -> None:
        content = delta.get("content")
        refusal, calls = fields.text(delta, "refusal", "delta.refusal"), delta.get("tool_calls")
        # Several names for one thing; servers that changed from one to another send both for a while.
        reasoning = next((fields.thoughts(delta[name], f"delta.{name}") for name in _REASONING if delta.get(name)), "")
        if not (content or refusal or calls or reasoning):
            return
        self.said.token_count += 1
        self.said.reasoning += reasoning
        self._content(content)
        if refusal:
            self.refused = True
            self.said.text += refusal
        if calls:
            self.said.tool_calls.extend(map(self._tool_call, fields.mappings(delta, "tool_calls", "delta.tool_calls")))

    def _content(self, content: Any) -> None:
        """Take in text, or parts, of which some are no text: an answer has no room for images and references."""
        match content:
            case None:
                pass
            case str():
                self.said.text += content
            case list():
                for part in content:
                    self._content(part)
            case {"type": "thinking" | "reasoning"}:
                self.said.reasoning += fields.thoughts(content, "delta.content")
            case {"refusal": str(refusal)}:
                self.refused = True
                self.said.text += refusal
            case {"text": text}:
                self._content(text)
            case {"type": str()}:
                pass
            case _:
                raise fields.unreadable("delta.content", content, "text")

    def _tool_call(self, call: dict[str, Any]) -> event_pb2.ToolCallDelta:
        function = call.get("function") or {}
        index, is_new = self._place(call)
        return event_pb2.ToolCallDelta(
            index=index,
            id=self._call_ids[index] if is_new else "",
            name=function.get("name") or "",
            arguments_json=function.get("arguments") or "",
        )

    def _place(self, call: dict[str, Any]) -> tuple[int, bool]:
        """Return which call a piece belongs to, and whether it is its first.

        Not every server numbers them: some leave the index out, some say 0 for all, some repeat the id, some have none.
        """
        index, call_id = call.get("index"), call.get("id")
        if call_id in self._call_ids:
            return self._call_ids.index(call_id), False
        if not call_id and index in self._by_index:
            named_anew = index is None and (call.get("function") or {}).get("name")
            if not named_anew:
                return self._by_index[index], False
        self._by_index[index] = self._by_index[None] = self.calls
        self._call_ids.append(call_id or f"call_{self.calls}")
        self.calls += 1
        return self.calls - 1, True


def _is_first(choice: dict[str, Any], choices: list[Any]) -> bool:
    index = choice.get("index")
    return choice is choices[0] if index is None or index == "" else counts.count(index) == 0
