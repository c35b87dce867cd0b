"""Reads the answers of Google's Gemini: chunks of contents and parts, the last of which has the finish reason."""

from typing import Any

from weft_router.providers import counts, encoding, fields, finish_reasons
from weft_router.providers.gemini.arguments import Arguments
from weft_router.providers.provider import broken
from weft_router.providers.refusals.error_bodies import is_error
from weft_router.providers.refusals.errors import error_in_stream
from weft_router.providers.stream_reader import Answer

STATE_NAME = "gemini"
"""The name of this provider's part of a call's `provider_state`."""


class GenerateContentAnswer(Answer):
    """Reads chunks until the body ends. The only marker is the finish reason, which the last chunk with a candidate
    must have. (Older models put one into every chunk, so it does not mean the end when it comes.)
    """

    # "All other reasons that stopped the token generation", and the same for images: the model had not finished.
    _STOPPED = ("OTHER", "IMAGE_OTHER", "NO_IMAGE")

    def __init__(self, source: str = "") -> None:
        super().__init__(counts.gemini(), source)
        self._signature: str | None = None
        """The signature of the text before the first call."""
        self._arguments: Arguments | None = None
        """The arguments of the latest call, until they are complete."""
        self._told: dict[str, tuple[Any, Any]] = {}
        """The name and the arguments of each call, by its id."""
        self._counted = 0
        """The number of tokens passed on so far."""

    def event(self, event: dict[str, Any]) -> bool:
        self.count(event.get("usageMetadata"))
        if ("error" in event or "candidates" not in event) and is_error(event):
            raise error_in_stream(event)
        if "promptFeedback" in event and (block := fields.text(fields.mapping(event, "promptFeedback"), "blockReason")):
            self.raw_finish_reason, self.refused = block, True
        before = self.said.token_count
        for place, candidate in enumerate(fields.mappings(event, "candidates")):
            if candidate.get("index", place) == 0:
                self._candidate(candidate)
        self._tell_tokens(before)
        return False

    def _candidate(self, candidate: dict[str, Any]) -> None:
        parts = fields.mappings(fields.mapping(candidate, "content"), "parts")
        reason = finish_reasons.said(candidate.get("finishReason")) or None
        if reason or parts:
            self.raw_finish_reason = reason
        for part in parts:
            self._part(part)

    def body_ended(self) -> None:
        """Takes in the end of the body, which is the answer's end; `finish` raises if no finish reason came."""
        if self._arguments is not None:
            raise broken("ended inside the arguments of a call")
        if self.raw_finish_reason in self._STOPPED and not self.refused:
            raise broken(f"gave up: its finish reason is {self.raw_finish_reason}")

    def _part(self, part: dict[str, Any]) -> None:
        if (call := part.get("functionCall")) is not None:
            self._called(call, part.get("thoughtSignature"))
            return
        if not (self.calls or part.get("thought")):
            self._signature = part.get("thoughtSignature") or self._signature
        if text := fields.text(part, "text", "parts.text"):
            if part.get("thought"):
                self.think(text)
            else:
                self.say(text)

    def _called(self, call: dict[str, Any], signature: str | None) -> None:
        """Takes in a call, which is complete unless it says that it will continue, and then passes on its arguments.

        A call without a name carries the arguments of the one before, if that had none.
        """
        if self._is_again(call):
            return
        name, latest = call.get("name") or "", self.calls.latest
        if latest is None or (self._arguments is None and (name or latest.has_told)):
            # Not every model sends ids with its calls.
            latest = self.calls.new(call.get("id") or "", self._state(call, signature))
            latest.name = name
        self._arguments = self._arguments or Arguments()
        self._arguments.add(_object(call.get("args"), name), call.get("partialArgs") or ())
        if not call.get("willContinue"):
            latest.add(encoding.json_text(self._arguments.value))
            self._arguments = None
        latest.begin()
        self.said.token_count += 1

    def _is_again(self, call: dict[str, Any]) -> bool:
        """Returns whether a call came before: some servers repeat everything so far in each chunk."""
        given, told = call.get("id"), (call.get("name"), call.get("args"))
        if not given or call.keys() & {"partialArgs", "willContinue"}:
            return False
        before, self._told[given] = self._told.get(given), told
        return before == told

    def _state(self, call: dict[str, Any], signature: str | None) -> str:
        state = {"signature": signature, "id": call.get("id"), "text_signature": self._signature}
        self._signature = None
        state = {name: value for name, value in state.items() if value}
        return encoding.kept(STATE_NAME, state, self.source) if state else ""

    def _tell_tokens(self, before: int) -> None:
        """Sets how many tokens the chunk adds to those `before` it, from the provider's totals if there are any."""
        said = self.said.token_count - before
        if said:
            told = self.counts.told
            said = max(said, told["candidatesTokenCount"] + told["thoughtsTokenCount"] - self._counted)
            self.said.token_count = before + said
        self._counted += said


def _object(args: Any, name: str) -> dict[str, Any]:
    """Returns arguments as an object; some proxies send its JSON text.

    Raises:
        ProviderError: they are not an object.
    """
    found = encoding.json_value(args) if isinstance(args, str) else args
    if isinstance(found, dict):
        return found
    if args and args != "null":
        raise broken(f"sent arguments that are no object in its call to {name or '(unnamed)'}")
    return {}
