"""The answer of OpenAI's chat completions, chunk by chunk, believed only when it is whole."""

from typing import Any

from pydantic_core import from_json

from weft.common.v1 import chat_pb2
from weft.inference.v1 import inference_pb2
from weft.job.v1 import event_pb2
from weft_router.providers.openai_errors import error_in_stream
from weft_router.providers.port import broken

END = "[DONE]"
"""The data of a stream's last event."""

_FINISH_REASONS = {
    "stop": chat_pb2.FINISH_REASON_STOP,
    "length": chat_pb2.FINISH_REASON_LENGTH,
    "tool_calls": chat_pb2.FINISH_REASON_TOOL_CALLS,
    "function_call": chat_pb2.FINISH_REASON_TOOL_CALLS,
    "content_filter": chat_pb2.FINISH_REASON_CONTENT_FILTER,
}


class ChatAnswer:
    """Reads the data of one stream's events, in order.

    Only the first choice is read. A refusal is text like any other, but ends as CONTENT_FILTER, so that nobody takes
    it for the answer asked for.
    """

    def __init__(self) -> None:
        self._said = event_pb2.Delta()
        self._finish_reason: str | None = None
        self._usage: chat_pb2.Usage | None = None
        self._usage_is_new = False
        self._refused = False
        self._called_tools = False

    def read(self, data: str) -> None:
        """Take in one event before END.

        Raises:
            ProviderError: the event is not a chunk, or is an error.
        """
        try:
            self._chunk(from_json(data))
        except (ValueError, TypeError, AttributeError, LookupError) as error:
            # Chunks are not checked against a schema, which would cost more than all the rest: what does not have
            # the right form fails where it is used.
            raise broken("sent an event that is not a chat completion chunk") from error

    def take(self) -> event_pb2.Delta | None:
        """Return the tokens read since the last time, if there are any."""
        if not self._said.token_count:
            return None
        said, self._said = self._said, event_pb2.Delta()
        return said

    def take_usage(self) -> chat_pb2.Usage | None:
        """Return the usage if it was reported since the last time."""
        usage = self._usage if self._usage_is_new else None
        self._usage_is_new = False
        return usage

    def finish(self) -> inference_pb2.Finished:
        """Return the end, once END has come.

        Raises:
            ProviderError: no finish reason came before it.
        """
        if self._finish_reason is None:
            raise broken("ended without a finish reason")
        reason = _FINISH_REASONS.get(self._finish_reason, chat_pb2.FINISH_REASON_UNSPECIFIED)
        if self._refused:
            reason = chat_pb2.FINISH_REASON_CONTENT_FILTER
        elif self._called_tools and reason == chat_pb2.FINISH_REASON_STOP:
            reason = chat_pb2.FINISH_REASON_TOOL_CALLS
        return inference_pb2.Finished(finish_reason=reason, usage=self._usage)

    def _chunk(self, chunk: dict[str, Any]) -> None:
        if usage := chunk.get("usage"):
            self._usage, self._usage_is_new = _usage(usage), True
        if error := chunk.get("error"):
            raise error_in_stream(error)
        for choice in chunk["choices"]:
            if choice.get("index", 0) == 0:
                self._finish_reason = choice.get("finish_reason") or self._finish_reason
                self._delta(choice.get("delta") or {})

    def _delta(self, delta: dict[str, Any]) -> None:
        text, refusal, calls = delta.get("content"), delta.get("refusal"), delta.get("tool_calls")
        if not (text or refusal or calls):
            return
        self._said.token_count += 1
        if text:
            self._said.text += text
        if refusal:
            self._refused = True
            self._said.text += refusal
        if calls:
            self._called_tools = True
            self._said.tool_calls.extend(map(_tool_call, calls))


def _tool_call(call: dict[str, Any]) -> event_pb2.ToolCallDelta:
    function = call.get("function") or {}
    return event_pb2.ToolCallDelta(
        index=call.get("index", 0),
        id=call.get("id") or "",
        name=function.get("name") or "",
        arguments_json=function.get("arguments") or "",
    )


def _usage(usage: dict[str, Any]) -> chat_pb2.Usage:
    prompt, completion = usage.get("prompt_tokens_details") or {}, usage.get("completion_tokens_details") or {}
    return chat_pb2.Usage(
        prompt_tokens=usage.get("prompt_tokens") or 0,
        completion_tokens=usage.get("completion_tokens") or 0,
        cached_prompt_tokens=prompt.get("cached_tokens") or 0,
        reasoning_tokens=completion.get("reasoning_tokens") or 0,
    )
