"""OpenAI's Responses: items as input, typed events as output."""

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

import httpx

from weft.common.v1 import chat_pb2
from weft.inference.v1 import inference_pb2
from weft_kit.catalog.providers import OpenAIResponsesEntry
from weft_router.providers import encoding
from weft_router.providers.conversation import CallIds, arranged, is_blank
from weft_router.providers.model_names import reasons
from weft_router.providers.openai.chat import (
    TOOL_CHOICES,
    dialect_of,
    is_told,
    key_header,
    named_schema,
    url_of,
)
from weft_router.providers.openai.responses_answer import STATE_NAME, ResponsesAnswer
from weft_router.providers.refused_sampling import PENALTIES, of_chat
from weft_router.providers.schemas.strict_schema import Dialect
from weft_router.providers.tool_names import NAME

_ROLES = {chat_pb2.ROLE_SYSTEM: "system", chat_pb2.ROLE_USER: "user", chat_pb2.ROLE_ASSISTANT: "assistant"}
_NUMBERS = {"temperature": "temperature", "top_p": "top_p", "max_tokens": "max_output_tokens"}
_IDS = CallIds(re.compile(r"[!-~]{1,64}"))
_LACKS = PENALTIES | {"top_k", "seed"}
_FEWEST_TOKENS = 16  # fewer are refused


class Responses:
    """The format. Nothing is stored at the provider, so each request holds the whole conversation."""

    continues_prefix = False

    def __init__(self, entry: OpenAIResponsesEntry) -> None:
        self._entry = entry
        self._url = url_of(entry, "responses")
        self._account = tuple(map(str, (self._url, entry.api_key_env, entry.api_key_file)))
        self.models_url = url_of(entry, "models")

    def headers(self, key: str) -> Mapping[str, str]:
        return key_header(self._entry, key)

    def url(self, _model: str) -> httpx.URL:
        return self._url

    def tool_name(self, _model: str) -> re.Pattern[str]:
        return NAME

    def answer(self, request: inference_pb2.GenerateRequest) -> ResponsesAnswer:
        return ResponsesAnswer(self._source(request.model))

    def refused(self, request: inference_pb2.GenerateRequest) -> Collection[str]:
        reasoning = self._entry.extra_body.get("reasoning")
        effort = reasoning.get("effort") if isinstance(reasoning, dict) else None
        return of_chat(request.model, effort) | _LACKS

    def fitted(self, request: inference_pb2.GenerateRequest) -> Mapping[str, float]:
        asked = request.sampling
        is_few = asked.HasField("max_tokens") and asked.max_tokens < _FEWEST_TOKENS
        return {"max_tokens": _FEWEST_TOKENS} if is_few else {}

    def extra_body(self, _request: inference_pb2.GenerateRequest) -> Mapping[str, Any]:
        return self._entry.extra_body

    def body(self, request: inference_pb2.GenerateRequest) -> dict[str, Any]:
        """Returns the request's JSON body; see WireFormat."""
        schema = encoding.answer_schema(request.response_format)
        is_in_words = is_told(schema, self._entry, request.model)
        request = encoding.telling_form(request) if is_in_words else encoding.naming_json(request)
        source = self._source(request.model)
        said: dict[str, Any] = {
            "model": request.model,
            "input": [item for message in arranged(request.messages, _IDS) for item in _items(message, source)],
            "stream": True,
            "store": False,
        }
        if reasons(request.model):
            said["include"] = ["reasoning.encrypted_content"]
        said |= encoding.numbers(request.sampling, _NUMBERS, self.refused(request), self.fitted(request))
        if request.tools:
            said["tools"] = [_tool(tool) for tool in request.tools]
            if choice := TOOL_CHOICES.get(request.tool_choice):
                said["tool_choice"] = choice
        form = _format(request.response_format, schema, dialect_of(self._entry, request.model))
        if form and not is_in_words:
            said["text"] = {"format": form}
        return said

    def _source(self, model: str) -> str:
        return encoding.source(*self._account, model)


def _items(message: chat_pb2.Message, source: str) -> Iterator[dict[str, Any]]:
    if message.role == chat_pb2.ROLE_TOOL:
        output = encoding.text(message.parts)
        yield {"type": "function_call_output", "call_id": message.tool_call_id, "output": output}
        return
    if message.role not in _ROLES:
        raise encoding.unknown_role(message)
    # Reasoning comes before what it led to; alone or after it, it is refused.
    thoughts = [encoding.state(call, STATE_NAME, source) or () for call in message.tool_calls]
    yield from thoughts[0] if thoughts else ()
    if not (message.tool_calls and is_blank(message.parts)):
        yield {"role": _ROLES[message.role], "content": _content(message)}
    for place, call in enumerate(message.tool_calls):
        yield from thoughts[place] if place else ()
        arguments = encoding.arguments_text(call)
        yield {"type": "function_call", "call_id": call.id, "name": call.name, "arguments": arguments}


def _content(message: chat_pb2.Message) -> str | list[dict[str, Any]]:
    if message.role != chat_pb2.ROLE_USER or encoding.is_text(message.parts):
        return encoding.text(message.parts)
    return [
        {"type": "input_image", "image_url": encoding.image_url(part.image)}
        if part.HasField("image")
        else {"type": "input_text", "text": encoding.text([part])}
        for part in message.parts
    ]


def _tool(tool: chat_pb2.Tool) -> dict[str, Any]:
    # The default is strict, which refuses every schema with an optional property.
    said = {"type": "function", "strict": False, "parameters": encoding.parameters(tool)}
    return said | encoding.described(tool)


def _format(wanted: chat_pb2.ResponseFormat, schema: Any, dialect: Dialect) -> dict[str, Any] | None:
    match wanted.WhichOneof("format"):
        case "json_object":
            return {"type": "json_object"}
        case "json_schema":
            return {"type": "json_schema"} | named_schema(wanted.json_schema.name, schema, dialect)
    return None
