"""OpenAI's Responses: typed events, one of which is the end."""

from collections.abc import Iterator, Mapping
from typing import Any

import httpx

from weft.common.v1 import chat_pb2
from weft.inference.v1 import inference_pb2
from weft_kit.provider_entries import OpenAIResponsesEntry
from weft_router.providers import phrases
from weft_router.providers.openai import TOOL_CHOICES, key_header, url_of
from weft_router.providers.openai_responses_answer import ResponsesAnswer
from weft_router.providers.port import unsupported
from weft_router.providers.tool_names import NAME

_ROLES = {chat_pb2.ROLE_SYSTEM: "system", chat_pb2.ROLE_USER: "user", chat_pb2.ROLE_ASSISTANT: "assistant"}
# Neither top_k nor a seed is among them: there is none, and the contract lets both be left out.
_NUMBERS = {"temperature": "temperature", "top_p": "top_p", "max_tokens": "max_output_tokens"}


class Responses:
    """The format. Nothing is stored at the provider: each request tells the whole conversation."""

    continues_prefix = False
    tool_name = NAME

    def __init__(self, entry: OpenAIResponsesEntry) -> None:
        self._entry = entry
        self._url = url_of(entry, "responses")
        self.models_url = url_of(entry, "models")

    def headers(self, key: str) -> Mapping[str, str]:
        return key_header(self._entry, key)

    def url(self, _model: str) -> httpx.URL:
        return self._url

    def answer(self, _request: inference_pb2.GenerateRequest) -> ResponsesAnswer:
        return ResponsesAnswer()

    def body(self, request: inference_pb2.GenerateRequest) -> dict[str, Any]:
        """Return the request's JSON body; see WireFormat."""
        if request.sampling.stop:
            raise unsupported("Responses have no stop texts; leave them out, or route to chat completions")
        phrases.refuse_penalties(request.sampling)
        said: dict[str, Any] = {
            "model": request.model,
            "input": [item for message in request.messages for item in _items(message)],
            "stream": True,
            "store": False,
        }
        said |= phrases.numbers(request.sampling, _NUMBERS)
        if request.tools:
            said["tools"] = [_tool(tool) for tool in request.tools]
            if choice := TOOL_CHOICES.get(request.tool_choice):
                said["tool_choice"] = choice
        if form := _format(request.response_format):
            said["text"] = {"format": form}
        return said


def _items(message: chat_pb2.Message) -> Iterator[dict[str, Any]]:
    if message.role == chat_pb2.ROLE_TOOL:
        output = phrases.text(message.parts)
        yield {"type": "function_call_output", "call_id": message.tool_call_id, "output": output}
        return
    if message.role not in _ROLES:
        raise phrases.unknown_role(message)
    if message.parts:
        yield {"role": _ROLES[message.role], "content": _content(message)}
    for call in message.tool_calls:
        yield {
            "type": "function_call",
            "call_id": call.id,
            "name": call.name,
            "arguments": call.arguments_json or "{}",
        }


def _content(message: chat_pb2.Message) -> str | list[dict[str, Any]]:
    if message.role != chat_pb2.ROLE_USER or phrases.is_text(message.parts):
        return phrases.text(message.parts)
    return [
        {"type": "input_image", "image_url": phrases.image_url(part.image)}
        if part.HasField("image")
        else {"type": "input_text", "text": phrases.text([part])}
        for part in message.parts
    ]


def _tool(tool: chat_pb2.Tool) -> dict[str, Any]:
    # Strict by default, which refuses every schema with an optional field.
    said = {"type": "function", "name": tool.name, "description": tool.description, "strict": False}
    return said | {"parameters": phrases.parameters(tool) or {"type": "object", "properties": {}}}


def _format(wanted: chat_pb2.ResponseFormat) -> dict[str, Any] | None:
    match wanted.WhichOneof("format"):
        case "json_object":
            return {"type": "json_object"}
        case "json_schema":
            name = wanted.json_schema.name or phrases.ANSWER
            return {"type": "json_schema", "name": name, "schema": phrases.answer_schema(wanted), "strict": True}
    return None
