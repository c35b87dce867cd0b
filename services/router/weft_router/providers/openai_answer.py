"""What OpenAI's chat completions, and the many servers that speak them, answer: chunks, then an end marker."""

from collections.abc import Collection
from typing import Any

from weft.common.v1 import chat_pb2
from weft.inference.v1 import inference_pb2
from weft_router.providers import finish_reasons
from weft_router.providers.answer import Answer
from weft_router.providers.chat_tool_calls import ChatCalls
from weft_router.providers.error_bodies import is_error
from weft_router.providers.failures import error_in_stream
from weft_router.providers.openai_thoughts import Thoughts


class ChatAnswer(Answer):
    """Chunks, then an end marker. Only the first choice is read. `tools` are the names of those offered."""

    end_marker = "[DONE]"

    def __init__(self, tools: Collection[str] = (), source: str = "") -> None:
        super().__init__(source)
        self._thoughts = Thoughts()
        self._chat_calls = ChatCalls(self.calls, tools)

    def event(self, event: dict[str, Any]) -> bool:
        if usage := event.get("usage"):
            self.report(_usage(usage))
        if (event.get("error") or not event.get("choices")) and is_error(event):
            raise error_in_stream(event)
        for choice in event["choices"] or ():
            if choice.get("index", 0) == 0:
                self._end(choice)
                self._delta(choice.get("delta") or {})
                if choice.get("finish_reason") and not self.calls:
                    # Some servers tell calls in the whole message that ends the stream, and nowhere else.
                    self._take(_calls(choice.get("message") or {}))
        return False

    def _end(self, choice: dict[str, Any]) -> None:
        """Take in a finish reason. OpenRouter also passes on the word of the server that it asked."""
        word, native = (finish_reasons.said(choice.get(name)) for name in ("finish_reason", "native_finish_reason"))
        if native and finish_reasons.is_failure(native):
            word = native
        self.raw_finish_reason = word or self.raw_finish_reason or word

    def _delta(self, delta: dict[str, Any]) -> None:
        text = delta.get("content")
        if text and len(delta) == 1:  # nearly every chunk there is
            self.said.token_count += 1
            self.said.text += text
            return
        refusal, calls = delta.get("refusal"), _calls(delta)
        # Two names for one thing; servers that changed from the first to the second send both for a while.
        reasoning = delta.get("reasoning_content") or delta.get("reasoning")
        self._thoughts.add(delta)
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
        self._take(calls)

    def finish(self) -> inference_pb2.Finished:
        """Return the end, and tell what is kept with the calls, some of which comes behind them."""
        finished = super().finish()
        self.said.tool_calls.extend(self._thoughts.states(len(self.calls), self.source))
        return finished

    def _take(self, calls: list[dict[str, Any]]) -> None:
        for piece in calls:
            self._thoughts.add_call(self._chat_calls.take(piece).index, piece)


def _calls(delta: dict[str, Any]) -> list[dict[str, Any]]:
    """Return a chunk's pieces of calls; before there were tools, the one call was a function's."""
    calls, function = delta.get("tool_calls"), delta.get("function_call")
    if isinstance(calls, dict):
        return [calls]
    return calls or ([{"function": function}] if function else [])


def _usage(usage: dict[str, Any]) -> chat_pb2.Usage:
    prompt, completion = usage.get("prompt_tokens_details") or {}, usage.get("completion_tokens_details") or {}
    return chat_pb2.Usage(
        prompt_tokens=usage.get("prompt_tokens") or 0,
        completion_tokens=usage.get("completion_tokens") or 0,
        cached_prompt_tokens=prompt.get("cached_tokens") or usage.get("prompt_cache_hit_tokens") or 0,
        reasoning_tokens=completion.get("reasoning_tokens") or 0,
    )
