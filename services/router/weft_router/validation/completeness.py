"""Decides whether an answer that ended is complete, by comparing its finish reason with what arrived."""

from weft.common.v1 import chat_pb2, error_pb2
from weft.inference.v1 import inference_pb2
from weft.job.v1 import job_pb2
from weft_router.job.transcript import AnswerSoFar
from weft_router.providers import finish_reasons
from weft_router.providers.provider import ProviderError, Remedy, broken


def judged(
    end: inference_pb2.Finished, said: AnswerSoFar, request: job_pb2.GenerationRequest
) -> inference_pb2.Finished:
    """Returns the end of a complete answer, with the reason UNSPECIFIED if its own word does not give one.

    Raises:
        ProviderError: the provider gave up, or the end does not match what came.
    """
    word, reason = end.raw_finish_reason, end.finish_reason
    if reason == chat_pb2.FINISH_REASON_UNSPECIFIED and finish_reasons.is_failure(word):
        raise broken(f"gave up: its finish reason is {word}")
    if call := said.broken_call() or _bare_call(said, reason):
        raise _broken_call(call, end)
    if reason == chat_pb2.FINISH_REASON_TOOL_CALLS and not said.tool_calls:
        if _offers_tools(request):
            raise broken(f"told no call, though its finish reason is {word or 'TOOL_CALLS'}")
        # No tool could be called: the word is wrong, and the text is the answer.
        reason = chat_pb2.FINISH_REASON_UNSPECIFIED
    if reason == chat_pb2.FINISH_REASON_UNSPECIFIED and said.is_empty:
        raise broken(f"told neither text nor calls; its finish reason is {word or 'not known'}")
    return inference_pb2.Finished(
        finish_reason=reason, usage=end.usage if end.HasField("usage") else None, raw_finish_reason=word
    )


def is_silent(end: inference_pb2.Finished, said: AnswerSoFar) -> bool:
    """Returns whether an answer ended normally and is empty."""
    return end.finish_reason == chat_pb2.FINISH_REASON_STOP and said.is_empty


def _bare_call(said: AnswerSoFar, reason: chat_pb2.FinishReason.ValueType) -> chat_pb2.ToolCall | None:
    """Returns the last call of an answer that ran out of tokens before the call's arguments began."""
    calls = said.tool_calls if reason == chat_pb2.FINISH_REASON_LENGTH else []
    return calls[-1] if calls and not calls[-1].arguments_json else None


def _broken_call(call: chat_pb2.ToolCall, end: inference_pb2.Finished) -> ProviderError:
    """Returns the failure of an answer with a broken call. One that ran out of tokens would do so again."""
    if end.finish_reason == chat_pb2.FINISH_REASON_LENGTH:
        name = call.name or "(unnamed)"
        message = f"the answer reached max_tokens inside the arguments of its call to {name}; allow it more tokens"
        return ProviderError(error_pb2.ERROR_REASON_PROVIDER_STREAM_BROKEN, message, Remedy.NOTHING)
    if not call.name.strip():
        return broken("called a tool without naming it")
    return broken(f"sent arguments that are not whole JSON in its call to {call.name}")


def _offers_tools(request: job_pb2.GenerationRequest) -> bool:
    return bool(request.tools) and request.tool_choice != chat_pb2.TOOL_CHOICE_NONE
