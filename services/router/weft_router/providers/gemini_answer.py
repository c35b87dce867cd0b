"""What Google's Gemini answers: chunks of contents and parts, the last of which says why it is the last."""

from typing import Any

from weft.common.v1 import chat_pb2
from weft.job.v1 import event_pb2
from weft_router.providers import counts, fields, phrases
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

    def __init__(self) -> None:
        super().__init__(counts.gemini())
        self._arguments: Arguments | None = None
        """Of the call that is being told."""
        self._counted = 0
        """Tokens told so far."""

    def event(self, event: dict[str, Any]) -> bool:
        self.count(event.get("usageMetadata"))
        if ("error" in event or "candidates" not in event) and fields.tells_error(event):
            raise error_in_stream(event)
        if "promptFeedback" in event and (block := fields.text(fields.mapping(event, "promptFeedback"), "blockReason")):
            self.raw_finish_reason, self.refused = block, True
        before = self.said.token_count
        for place, candidate in enumerate(fields.mappings(event, "candidates")):
            if candidate.get("index", place) == 0:
                self._candidate(candidate, event.get("responseId") or "call")
        self._tell_tokens(before)
        return False

    def _candidate(self, candidate: dict[str, Any], response_id: str) -> None:
        parts = fields.mappings(fields.mapping(candidate, "content"), "parts")
        reason = fields.text(candidate, "finishReason")
        if reason or parts:
            self.raw_finish_reason = reason
        for part in parts:
            self._part(part, response_id)

    def body_ended(self) -> None:
        """Take the end of the body for the end, if the finish reason came; `finish` says if it did not."""
        if self._arguments is not None:
            raise broken("ended inside the arguments of a call")
        if self.raw_finish_reason in self._FAILURES:
            raise broken(f"gave up with {self.raw_finish_reason}")

    def _part(self, part: dict[str, Any], response_id: str) -> None:
        if (call := part.get("functionCall")) is not None:
            self._call(call, part.get("thoughtSignature"), response_id)
        elif text := fields.text(part, "text", "parts.text"):
            if part.get("thought"):
                self.said.reasoning += text
            else:
                self.said.text += text
            self.said.token_count += 1

    def _call(self, call: dict[str, Any], signature: str | None, response_id: str) -> None:
        """Take in a call, which comes whole unless it says that it goes on; its arguments are told once it is."""
        said = event_pb2.ToolCallDelta(index=self.calls - 1)
        if self._arguments is None:
            # Not every model gives its calls ids.
            call_id = call.get("id") or f"{response_id}-{self.calls}"
            said = event_pb2.ToolCallDelta(index=self.calls, id=call_id, name=call["name"])
            if signature:
                said.provider_state = phrases.kept(STATE_NAME, signature)
            self._arguments = Arguments()
            self.calls += 1
        self._arguments.add(call.get("args") or {}, call.get("partialArgs") or ())
        if not call.get("willContinue"):
            said.arguments_json = phrases.json_text(self._arguments.value)
            self._arguments = None
        self.said.tool_calls.append(said)
        self.said.token_count += 1

    def _tell_tokens(self, before: int) -> None:
        """Say how many tokens the chunk adds to those `before` it, by the totals so far where they are told."""
        said = self.said.token_count - before
        if said:
            told = self.counts.told
            said = max(said, told["candidatesTokenCount"] + told["thoughtsTokenCount"] - self._counted)
            self.said.token_count = before + said
        self._counted += said
