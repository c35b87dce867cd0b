"""A generation in the words of OpenAI's chat completions."""

import json
from collections.abc import Iterable
from typing import Any

from weft.common.v1 import chat_pb2, error_pb2
from weft.inference.v1 import inference_pb2
from weft_router.providers.port import ProviderError, Remedy

_ROLES = {
    chat_pb2.ROLE_SYSTEM: "system",
    chat_pb2.ROLE_USER: "user",
    chat_pb2.ROLE_ASSISTANT: "assistant",
    chat_pb2.ROLE_TOOL: "tool",
}
_TOOL_CHOICES = {
    chat_pb2.TOOL_CHOICE_AUTO: "auto",
    chat_pb2.TOOL_CHOICE_NONE: "none",
    chat_pb2.TOOL_CHOICE_REQUIRED: "required",
}
# top_k is not among them: chat completions has none, and refuses requests with fields it does not know.
_NUMBERS = ("temperature", "top_p", "frequency_penalty", "presence_penalty", "max_tokens", "seed")


def body(request: inference_pb2.GenerateRequest) -> dict[str, Any]:
    """Return the request's JSON body, streaming, with usage at the end.

    Raises:
        ProviderError: a part, role or schema cannot be said in this format.
    """
    said: dict[str, Any] = {
        "model": request.model,
        "messages": [_message(message) for message in request.messages],
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    said |= _sampling(request.sampling)
    if request.tools:
        said["tools"] = [_tool(tool) for tool in request.tools]
        if choice := _TOOL_CHOICES.get(request.tool_choice):
            said["tool_choice"] = choice
    if response_format := _response_format(request.response_format):
        said["response_format"] = response_format
    return said


def _message(message: chat_pb2.Message) -> dict[str, Any]:
    if message.role not in _ROLES:
        raise _unsayable(f"role {message.role} is not known here")
    said: dict[str, Any] = {"role": _ROLES[message.role], "content": _text(message.parts)}
    if message.tool_calls:
        said["content"] = said["content"] or None
        said["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments_json}}
            for call in message.tool_calls
        ]
    if message.tool_call_id:
        said["tool_call_id"] = message.tool_call_id
    return said


def _text(parts: Iterable[chat_pb2.ContentPart]) -> str:
    texts = []
    for part in parts:
        if part.WhichOneof("part") != "text":
            raise _unsayable("a content part is of a kind this provider does not take; send text")
        texts.append(part.text)
    return "".join(texts)


def _sampling(sampling: chat_pb2.SamplingParams) -> dict[str, Any]:
    # Six digits undo what the wire's single precision did to 0.7.
    numbers = {name: round(getattr(sampling, name), 6) for name in _NUMBERS if sampling.HasField(name)}  # type: ignore[arg-type]
    return numbers | ({"stop": list(sampling.stop)} if sampling.stop else {})


def _tool(tool: chat_pb2.Tool) -> dict[str, Any]:
    function: dict[str, Any] = {"name": tool.name, "description": tool.description}
    if tool.parameters_schema:
        function["parameters"] = _schema(tool.parameters_schema, f"the parameters of tool {tool.name}")
    return {"type": "function", "function": function}


def _response_format(wanted: chat_pb2.ResponseFormat) -> dict[str, Any] | None:
    match wanted.WhichOneof("format"):
        case "json_object":
            return {"type": "json_object"}
        case "json_schema":
            schema = _schema(wanted.json_schema.schema_json, "the schema of the response format")
            named = {"name": wanted.json_schema.name or "answer", "schema": schema, "strict": True}
            return {"type": "json_schema", "json_schema": named}
    return None


def _schema(text: str, what: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        raise _unsayable(f"{what} is not JSON; send a JSON Schema") from None


def _unsayable(message: str) -> ProviderError:
    return ProviderError(error_pb2.ERROR_REASON_PROVIDER_REJECTED, message, Remedy.NOTHING)
