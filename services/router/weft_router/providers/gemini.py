"""Google's Gemini: chunks of contents and parts, the last of which says why it is the last."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import quote

import httpx

from weft.common.v1 import chat_pb2
from weft.inference.v1 import inference_pb2
from weft.job.v1 import event_pb2
from weft_kit.provider_entries import GeminiEntry
from weft_router.providers import phrases
from weft_router.providers.answer import Answer
from weft_router.providers.failures import error_in_stream
from weft_router.providers.gemini_arguments import Arguments
from weft_router.providers.port import broken

_NAME = "gemini"
_TOOL_CHOICES = {
    chat_pb2.TOOL_CHOICE_AUTO: "AUTO",
    chat_pb2.TOOL_CHOICE_NONE: "NONE",
    chat_pb2.TOOL_CHOICE_REQUIRED: "ANY",
}
_NUMBERS = {
    "temperature": "temperature",
    "top_p": "topP",
    "top_k": "topK",
    "max_tokens": "maxOutputTokens",
    "seed": "seed",
    "frequency_penalty": "frequencyPenalty",
    "presence_penalty": "presencePenalty",
}
# Google's own word for a call that another model made: Gemini 3 refuses a turn whose first call has no signature.
_FOREIGN = "skip_thought_signature_validator"
_FINISH_REASONS = {
    "STOP": chat_pb2.FINISH_REASON_STOP,
    "MAX_TOKENS": chat_pb2.FINISH_REASON_LENGTH,
    **dict.fromkeys(
        ("SAFETY", "RECITATION", "LANGUAGE", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "IMAGE_SAFETY"),
        chat_pb2.FINISH_REASON_CONTENT_FILTER,
    ),
}


class GenerateContent:
    """The format."""

    continues_prefix = False

    def __init__(self, entry: GeminiEntry) -> None:
        self._models = f"{str(entry.base_url).rstrip('/')}/models"
        self.models_url = httpx.URL(f"{self._models}?pageSize=1")

    def headers(self, key: str) -> Mapping[str, str]:
        return {"x-goog-api-key": key} if key else {}

    def url(self, model: str) -> httpx.URL:
        return httpx.URL(f"{self._models}/{quote(model.removeprefix('models/'))}:streamGenerateContent?alt=sse")

    def answer(self, _request: inference_pb2.GenerateRequest) -> "GenerateContentAnswer":
        return GenerateContentAnswer()

    def body(self, request: inference_pb2.GenerateRequest) -> dict[str, Any]:
        """Return the request's JSON body; see WireFormat."""
        said: dict[str, Any] = {"contents": list(_contents(request))}
        if system := [{"text": text} for text in phrases.system_texts(request.messages)]:
            said["systemInstruction"] = {"parts": system}
        if config := _config(request):
            said["generationConfig"] = config
        if request.tools:
            said["tools"] = [{"functionDeclarations": [_declaration(tool) for tool in request.tools]}]
            if mode := _TOOL_CHOICES.get(request.tool_choice):
                said["toolConfig"] = {"functionCallingConfig": {"mode": mode}}
        return said


def _config(request: inference_pb2.GenerateRequest) -> dict[str, Any]:
    config: dict[str, Any] = phrases.numbers(request.sampling, _NUMBERS)
    if request.sampling.stop:
        config["stopSequences"] = list(request.sampling.stop)
    match request.response_format.WhichOneof("format"):
        case "json_object":
            config["responseMimeType"] = "application/json"
        case "json_schema":
            config["responseMimeType"] = "application/json"
            config["responseJsonSchema"] = phrases.answer_schema(request.response_format)
    return config


def _contents(request: inference_pb2.GenerateRequest) -> Iterator[dict[str, Any]]:
    called: dict[str, str] = {}
    results: list[dict[str, Any]] = []
    signs = request.model.removeprefix("models/").startswith("gemini-3")
    for message in request.messages:
        if message.role == chat_pb2.ROLE_TOOL:
            # Results name the function, not the call, and those of parallel calls stand together, in their order.
            name = called.get(message.tool_call_id, "")
            results.append({"functionResponse": {"name": name, "response": _result(phrases.text(message.parts))}})
            continue
        if results:
            yield {"role": "user", "parts": results}
            results = []
        match message.role:
            case chat_pb2.ROLE_USER:
                yield {"role": "user", "parts": [_part(part) for part in message.parts]}
            case chat_pb2.ROLE_ASSISTANT:
                called |= {call.id: call.name for call in message.tool_calls}
                texts = [{"text": phrases.text([part])} for part in message.parts]
                yield {"role": "model", "parts": [*texts, *_calls(message.tool_calls, signs=signs)]}
            case chat_pb2.ROLE_SYSTEM:
                pass
            case _:
                raise phrases.unknown_role(message)
    if results:
        yield {"role": "user", "parts": results}


def _part(part: chat_pb2.ContentPart) -> dict[str, Any]:
    if not part.HasField("image"):
        return {"text": phrases.text([part])}
    image = part.image
    if image.HasField("url"):
        file = {"fileUri": image.url}
        return {"fileData": file | ({"mimeType": image.mime_type} if image.mime_type else {})}
    return {"inlineData": {"mimeType": image.mime_type, "data": phrases.base64(image)}}


def _calls(calls: Iterable[chat_pb2.ToolCall], *, signs: bool) -> Iterator[dict[str, Any]]:
    for place, call in enumerate(calls):
        part: dict[str, Any] = {"functionCall": {"name": call.name, "args": phrases.arguments(call)}}
        signature = phrases.state(call, _NAME) or (_FOREIGN if signs and place == 0 else None)
        yield part | ({"thoughtSignature": signature} if signature else {})


def _result(text: str) -> dict[str, Any]:
    """A result has to be an object."""
    value = phrases.json_value(text)
    return value if isinstance(value, dict) else {"result": text}


def _declaration(tool: chat_pb2.Tool) -> dict[str, Any]:
    said: dict[str, Any] = {"name": tool.name, "description": tool.description}
    if (parameters := phrases.parameters(tool)) is not None:
        said["parametersJsonSchema"] = parameters
    return said


class GenerateContentAnswer(Answer):
    """Chunks until the body ends: there is no marker but the finish reason, which has to stand in the last chunk with
    a candidate. (Older models put one into every chunk, so that it cannot be taken for the end when it comes.)
    """

    finish_reasons = _FINISH_REASONS
    _FAILURES = ("MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "MISSING_THOUGHT_SIGNATURE", "MALFORMED_RESPONSE")

    def __init__(self) -> None:
        super().__init__()
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
                    self._part(part, event.get("responseId") or "call")
        self._count(event.get("usageMetadata") or {}, before)
        return False

    def body_ended(self) -> None:
        """Take the end of the body for the end, if the finish reason came; `finish` says if it did not."""
        if self._arguments is not None:
            raise broken("ended inside the arguments of a call")
        if self.raw_finish_reason in self._FAILURES:
            raise broken(f"gave up with {self.raw_finish_reason}")

    def _part(self, part: dict[str, Any], response_id: str) -> None:
        if (call := part.get("functionCall")) is not None:
            self._call(call, part.get("thoughtSignature"), response_id)
        elif text := part.get("text"):
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
                said.provider_state = phrases.kept(_NAME, signature)
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
