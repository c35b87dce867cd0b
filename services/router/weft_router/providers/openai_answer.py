"""What OpenAI's chat completions, and the many servers that speak them, answer: chunks, then an end marker."""

from typing import Any

from weft.common.v1 import chat_pb2
from weft.job.v1 import event_pb2
from weft_router.providers.answer import Answer
from weft_router.providers.error_bodies import is_error
from weft_router.providers.failures import error_in_stream

_FINISH_REASONS = {
    "stop": chat_pb2.FINISH_REASON_STOP,
    "length": chat_pb2.FINISH_REASON_LENGTH,
    "tool_calls": chat_pb2.FINISH_REASON_TOOL_CALLS,
    "function_call": chat_pb2.FINISH_REASON_TOOL_CALLS,
    "content_filter": chat_pb2.FINISH_REASON_CONTENT_FILTER,
}


class ChatAnswer(Answer):
    """Chunks, then an end marker. Only the first choice is read."""

    end_marker = "[DONE]"
    finish_reasons = _FINISH_REASONS

    def __init__(self) -> None:
        super().__init__()
        self._call_ids: list[str] = []
        self._by_index: dict[int | None, int] = {}
        """The latest call by the server's number for it; by None the latest of all."""

    def event(self, event: dict[str, Any]) -> bool:
        if usage := event.get("usage"):
            self.report(_usage(usage))
        if (event.get("error") or not event.get("choices")) and is_error(event):
            raise error_in_stream(event)
        for choice in event["choices"] or ():
            if choice.get("index", 0) == 0:
                self.raw_finish_reason = choice.get("finish_reason") or self.raw_finish_reason
                self._delta(choice.get("delta") or {})
        return False

    def _delta(self, delta: dict[str, Any]) -> None:
        text = delta.get("content")
        if text and len(delta) == 1:  # nearly every chunk there is
            self.said.token_count += 1
            self.said.text += text
            return
        refusal, calls = delta.get("refusal"), delta.get("tool_calls")
        # Two names for one thing; servers that changed from the first to the second send both for a while.
        reasoning = delta.get("reasoning_content") or delta.get("reasoning")
        if not (text or refusal or calls or reasoning):
            return
        self.said.token_count += 1
        if text:
            self.said.text += text
        if reasoning:
            self.said.reasoning += reasoning
        if refusal:
            self.refused = True
            self.said.text += refusal
        if calls:
            self.said.tool_calls.extend(map(self._tool_call, calls))

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


def _usage(usage: dict[str, Any]) -> chat_pb2.Usage:
    prompt, completion = usage.get("prompt_tokens_details") or {}, usage.get("completion_tokens_details") or {}
    return chat_pb2.Usage(
        prompt_tokens=usage.get("prompt_tokens") or 0,
        completion_tokens=usage.get("completion_tokens") or 0,
        cached_prompt_tokens=prompt.get("cached_tokens") or usage.get("prompt_cache_hit_tokens") or 0,
        reasoning_tokens=completion.get("reasoning_tokens") or 0,
    )
