"""What Google's Gemini answers: chunks of contents and parts, the last of which says why it is the last."""

from typing import Any

from weft.common.v1 import chat_pb2
from weft.job.v1 import event_pb2
from weft_router.providers import phrases
from weft_router.providers.answer import Answer
from weft_router.providers.failures import error_in_stream
from weft_router.providers.gemini_arguments import Arguments
from weft_router.providers.port import broken

STATE_NAME = "gemini"
"""The name of this provider's part of a call's `provider_state`."""

_FINISH_REASONS = {
    "STOP": chat_pb2.FINISH_REASON_STOP,
    "MAX_TOKENS": chat_pb2.FINISH_REASON_LENGTH,
    **dict.fromkeys(
        ("SAFETY", "RECITATION", "LANGUAGE", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "IMAGE_SAFETY"),
        chat_pb2.FINISH_REASON_CONTENT_FILTER,
    ),
}


class GenerateContentAnswer(Answer):
    """Chunks until the body ends: there is no marker but the finish reason, which has to stand in the last chunk with
    a candidate. (Older models put one into every chunk, so that it cannot be taken for the end when it comes.)
    """

    finish_reasons = _FINISH_REASONS
    _FAILURES = ("MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "MISSING_THOUGHT_SIGNATURE", "MALFORMED_RESPONSE")

    def __init__(self, source: str = "") -> None:
        super().__init__(source)
        self._signature: str | None = None
        """Of the text before the first call."""
        self._arguments: Arguments | None = None
        """Of the call that is being told."""
        self._counted = 0
        """Tokens told so far."""

    def event(self, event: dict[str, Any]) -> bool:
        if event.get("error"):
            raise error_in_stream(event)
        before = self.said.token_count
        if block := (event.get("promptFeedback") or {}).get("blockReason"):
            self.raw_finish_reason, self.refused = block, True
        for candidate in event.get("candidates") or ():
            if candidate.get("index", 0) == 0:
                self.raw_finish_reason = candidate.get("finishReason") or ""
                for part in (candidate.get("content") or {}).get("parts") or ():
                    self._part(part)
        self._count(event.get("usageMetadata") or {}, before)
        return False

    def body_ended(self) -> None:
        """Take the end of the body for the end, if the finish reason came; `finish` says if it did not."""
        if self._arguments is not None:
            raise broken("ended inside the arguments of a call")
        if self.raw_finish_reason in self._FAILURES:
            raise broken(f"gave up with {self.raw_finish_reason}")

    def _part(self, part: dict[str, Any]) -> None:
        if (call := part.get("functionCall")) is not None:
            self._call(call, part.get("thoughtSignature"))
            return
        if not (self.calls or part.get("thought")):
            self._signature = part.get("thoughtSignature") or self._signature
        if text := part.get("text"):
            if part.get("thought"):
                self.said.reasoning += text
            else:
                self.said.text += text
            self.said.token_count += 1

    def _call(self, call: dict[str, Any], signature: str | None) -> None:
        """Take in a call, which comes whole unless it says that it goes on; its arguments are told once it is."""
        said = event_pb2.ToolCallDelta(index=self.calls - 1)
        if self._arguments is None:
            # Not every model gives its calls ids.
            call_id = call.get("id") or self.made_up_id()
            said = event_pb2.ToolCallDelta(index=self.calls, id=call_id, name=call["name"])
            state = {"signature": signature, "id": call.get("id"), "text_signature": self._signature}
            if state := {name: value for name, value in state.items() if value}:
                said.provider_state = phrases.kept(STATE_NAME, state, self.source)
            self._signature = None
            self._arguments = Arguments()
            self.calls += 1
        self._arguments.add(call.get("args") or {}, call.get("partialArgs") or ())
        if not call.get("willContinue"):
            said.arguments_json = phrases.json_text(self._arguments.value)
            self._arguments = None
        self.said.tool_calls.append(said)
        self.said.token_count += 1

    def _count(self, usage: dict[str, Any], before: int) -> None:
        """Take in the totals so far, which also tell how many tokens the chunk adds to those `before` it."""
        said = self.said.token_count - before
        if "promptTokenCount" in usage:
            counted = _usage(usage)
            self.report(counted)
            if said:
                said = max(said, counted.completion_tokens - self._counted)
                self.said.token_count = before + said
        self._counted += said


def _usage(usage: dict[str, Any]) -> chat_pb2.Usage:
    thoughts = usage.get("thoughtsTokenCount", 0)
    return chat_pb2.Usage(
        prompt_tokens=usage["promptTokenCount"] + usage.get("toolUsePromptTokenCount", 0),
        completion_tokens=usage.get("candidatesTokenCount", 0) + thoughts,
        cached_prompt_tokens=usage.get("cachedContentTokenCount", 0),
        reasoning_tokens=thoughts,
    )
