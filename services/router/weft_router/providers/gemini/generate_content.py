"""Google's Gemini: generateContent, with contents and parts."""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import quote

import httpx

from weft.common.v1 import chat_pb2
from weft.inference.v1 import inference_pb2
from weft_kit.catalog.providers import GeminiEntry
from weft_router.providers import encoding
from weft_router.providers.conversation import OPENING, CallIds, arranged
from weft_router.providers.gemini.answer import STATE_NAME, GenerateContentAnswer
from weft_router.providers.gemini.schema import known
from weft_router.providers.model_names import GEMINI_BEFORE_3, GEMINI_SIGNS, holds
from weft_router.providers.provider import unsupported
from weft_router.providers.refused_sampling import of_gemini

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
_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_.:-]{0,63}")
# Gemini is sent only ids of its own; these merely distinguish the calls of a turn.
_IDS = CallIds(re.compile(r".+", re.DOTALL))
_MOST_STOPS = 5
_SEEDS = 2**31  # signed, of 32 bits: `int32` in Gemini's discovery document
# Google's own signature for calls of other models: Gemini 3 refuses a turn whose first call has none.
_FOREIGN = "skip_thought_signature_validator"


class GenerateContent:
    """The format."""

    continues_prefix = False

    def __init__(self, entry: GeminiEntry) -> None:
        self._entry = entry
        self._models = f"{str(entry.base_url).rstrip('/')}/models"
        self.models_url = httpx.URL(f"{self._models}?pageSize=1")

    def headers(self, key: str) -> Mapping[str, str]:
        return {"x-goog-api-key": key} if key else {}

    def url(self, model: str) -> httpx.URL:
        return httpx.URL(f"{self._models}/{quote(model.removeprefix('models/'))}:streamGenerateContent?alt=sse")

    def tool_name(self, _model: str) -> re.Pattern[str]:
        return _NAME

    def answer(self, request: inference_pb2.GenerateRequest) -> GenerateContentAnswer:
        return GenerateContentAnswer(self._source(request.model))

    def refused(self, request: inference_pb2.GenerateRequest) -> Collection[str]:
        return of_gemini(request.model)

    def fitted(self, request: inference_pb2.GenerateRequest) -> Mapping[str, float]:
        seed = request.sampling.seed
        return {} if -_SEEDS <= seed < _SEEDS else {"seed": seed % _SEEDS}

    def extra_body(self, _request: inference_pb2.GenerateRequest) -> Mapping[str, Any]:
        return self._entry.extra_body

    def body(self, request: inference_pb2.GenerateRequest) -> dict[str, Any]:
        """Returns the request's JSON body; see WireFormat."""
        said: dict[str, Any] = {"contents": _contents(request, self._source(request.model))}
        told = [encoding.form_in_words(request.response_format)] if _is_told_form(request) else []
        if system := [{"text": text} for text in (*encoding.system_texts(request.messages), *filter(None, told))]:
            said["systemInstruction"] = {"parts": system}
        if config := self._config(request):
            said["generationConfig"] = config
        if request.tools:
            said["tools"] = [{"functionDeclarations": [_declaration(tool) for tool in request.tools]}]
            if mode := _TOOL_CHOICES.get(request.tool_choice):
                said["toolConfig"] = {"functionCallingConfig": {"mode": mode}}
        return said

    def _source(self, model: str) -> str:
        return encoding.source(self._models, model.removeprefix("models/"))

    def _config(self, request: inference_pb2.GenerateRequest) -> dict[str, Any]:
        config: dict[str, Any] = encoding.numbers(
            request.sampling, _NUMBERS, self.refused(request), self.fitted(request)
        )
        if "maxOutputTokens" in config:
            config["maxOutputTokens"] = self._entry.most_tokens(int(config["maxOutputTokens"]))
        if request.sampling.stop:
            config["stopSequences"] = list(request.sampling.stop[:_MOST_STOPS])
        match request.response_format.WhichOneof("format"):
            case _ if _is_told_form(request):
                pass
            case "json_object":
                config["responseMimeType"] = "application/json"
            case "json_schema":
                config["responseMimeType"] = "application/json"
                config["responseJsonSchema"] = known(encoding.answer_schema(request.response_format))
        return config


def _is_told_form(request: inference_pb2.GenerateRequest) -> bool:
    """Returns whether the format has to be put into words: with tools, models before Gemini 3 enforce none."""
    return bool(request.tools) and holds(request.model, GEMINI_BEFORE_3)


def _contents(request: inference_pb2.GenerateRequest, source: str) -> list[dict[str, Any]]:
    """Returns the turns. The results of one turn's calls are together, in the order of the calls, and so is all that
    the model says: a call must follow the user or results, or it is refused (google-gemini/gemini-cli#26486).
    """
    contents: list[dict[str, Any]] = []
    called: dict[str, chat_pb2.ToolCall] = {}
    signs = GEMINI_SIGNS.match(request.model) is not None
    before: chat_pb2.Role.ValueType | None = None
    for message in arranged(request.messages, _IDS):
        match message.role:
            case chat_pb2.ROLE_SYSTEM:
                continue
            case chat_pb2.ROLE_USER:
                turn, parts = "user", [_part(part) for part in message.parts]
            case chat_pb2.ROLE_ASSISTANT:
                called = {call.id: call for call in message.tool_calls}
                turn, parts = "model", [*_said(message, source), *_calls(message.tool_calls, source, signs=signs)]
            case chat_pb2.ROLE_TOOL:
                turn, parts = "user", [_response(called[message.tool_call_id], encoding.text(message.parts), source)]
            case _:
                raise encoding.unknown_role(message)
        if message.role == before and message.role != chat_pb2.ROLE_USER:
            contents[-1]["parts"] += parts
        else:
            contents.append({"role": turn, "parts": parts})
        before = message.role
    if contents and contents[0]["role"] == "model":
        contents.insert(0, {"role": "user", "parts": [{"text": OPENING}]})
    return contents


def _part(part: chat_pb2.ContentPart) -> dict[str, Any]:
    if not part.HasField("image"):
        return {"text": encoding.text([part])}
    image = part.image
    if image.mime_type == "image/gif":
        raise unsupported("Gemini takes no image/gif; send it as PNG, or name another model alias")
    if image.HasField("url"):
        file = {"fileUri": image.url}
        return {"fileData": file | ({"mimeType": image.mime_type} if image.mime_type else {})}
    return {"inlineData": {"mimeType": image.mime_type, "data": encoding.base64(image)}}


def _said(message: chat_pb2.Message, source: str) -> list[dict[str, Any]]:
    """Returns the text parts of a turn without empty ones, which Gemini refuses."""
    texts: list[dict[str, Any]] = [{"text": text} for part in message.parts if (text := encoding.text([part]))]
    if texts and message.tool_calls and (signature := _state(message.tool_calls[0], source).get("text_signature")):
        texts[-1]["thoughtSignature"] = signature
    return texts


def _calls(calls: Iterable[chat_pb2.ToolCall], source: str, *, signs: bool) -> Iterator[dict[str, Any]]:
    for place, call in enumerate(calls):
        part = {"functionCall": _named(call, source) | {"args": encoding.arguments(call)}}
        signature = _state(call, source).get("signature") or (_FOREIGN if signs and place == 0 else None)
        yield part | ({"thoughtSignature": signature} if signature else {})


def _response(call: chat_pb2.ToolCall, text: str, source: str) -> dict[str, Any]:
    return {"functionResponse": _named(call, source) | {"response": _result(text)}}


def _named(call: chat_pb2.ToolCall, source: str) -> dict[str, Any]:
    """Returns what a call and its result have in common; older models send no ids and refuse them."""
    call_id = _state(call, source).get("id")
    return {"name": call.name} | ({"id": call_id} if call_id else {})


def _state(call: chat_pb2.ToolCall, source: str) -> dict[str, Any]:
    state = encoding.state(call, STATE_NAME, source) or {}
    return state if isinstance(state, dict) else {"signature": state}  # as earlier versions kept it


def _result(text: str) -> dict[str, Any]:
    """Returns a result as an object, as Gemini requires."""
    value = encoding.json_value(text)
    return value if isinstance(value, dict) else {"result": text}


def _declaration(tool: chat_pb2.Tool) -> dict[str, Any]:
    said: dict[str, Any] = {"name": tool.name, "description": tool.description or tool.name}  # required
    parameters = encoding.parameters(tool)
    # An object that has no properties and allows no others is refused.
    has_arguments = parameters["properties"] or parameters.get("additionalProperties")
    return said | ({"parametersJsonSchema": known(parameters)} if has_arguments else {})
