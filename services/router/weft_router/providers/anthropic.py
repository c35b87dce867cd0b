"""Anthropic's Messages: content blocks that begin, grow and end."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import httpx

from weft.common.v1 import chat_pb2
from weft.inference.v1 import inference_pb2
from weft_kit.provider_entries import AnthropicEntry
from weft_router.providers import phrases
from weft_router.providers.anthropic_answer import STATE_NAME, MessagesAnswer
from weft_router.providers.port import unsupported
from weft_router.providers.tool_names import NAME

_ROLES = {chat_pb2.ROLE_USER: "user", chat_pb2.ROLE_ASSISTANT: "assistant", chat_pb2.ROLE_TOOL: "user"}
_TOOL_CHOICES = {
    chat_pb2.TOOL_CHOICE_AUTO: "auto",
    chat_pb2.TOOL_CHOICE_NONE: "none",
    chat_pb2.TOOL_CHOICE_REQUIRED: "any",
}
_NUMBERS = {"temperature": "temperature", "top_p": "top_p", "top_k": "top_k", "max_tokens": "max_tokens"}
_DEFAULT_MAX_TOKENS = 1024  # the format requires a number
_STRANGE_IN_IDS = re.compile(r"[^a-zA-Z0-9_-]")


class Messages:
    """The format."""

    tool_name = NAME

    def __init__(self, entry: AnthropicEntry) -> None:
        base_url = str(entry.base_url).rstrip("/")
        self._version = entry.version
        self._url = httpx.URL(f"{base_url}/messages")
        self.models_url = httpx.URL(f"{base_url}/models?limit=1")
        self.continues_prefix = entry.continues_prefix

    def headers(self, key: str) -> Mapping[str, str]:
        return {"anthropic-version": self._version} | ({"x-api-key": key} if key else {})

    def url(self, _model: str) -> httpx.URL:
        return self._url

    def answer(self, request: inference_pb2.GenerateRequest) -> MessagesAnswer:
        prefix = request.prefix if self.continues_prefix else ""
        return MessagesAnswer(prefix[len(prefix.rstrip()) :])

    def body(self, request: inference_pb2.GenerateRequest) -> dict[str, Any]:
        """Return the request's JSON body; see WireFormat."""
        phrases.refuse_penalties(request.sampling)
        said: dict[str, Any] = {
            "model": request.model,
            "messages": _turns(request.messages),
            "stream": True,
            "max_tokens": _DEFAULT_MAX_TOKENS,
        }
        said |= phrases.numbers(request.sampling, _NUMBERS)
        if request.sampling.stop:
            said["stop_sequences"] = list(request.sampling.stop)
        if system := "\n\n".join(phrases.system_texts(request.messages)):
            said["system"] = system
        if request.tools:
            said["tools"] = [_tool(tool) for tool in request.tools]
            if choice := _TOOL_CHOICES.get(request.tool_choice):
                said["tool_choice"] = {"type": choice}
        if form := _output_format(request.response_format):
            said["output_config"] = {"format": form}
        # White space at the end of what is to be continued is refused; the answer leaves out what it repeats of it.
        if self.continues_prefix and (prefix := request.prefix.rstrip()):
            said["messages"].append({"role": "assistant", "content": prefix})
        return said


def _turns(messages: Iterator[chat_pb2.Message] | Any) -> list[dict[str, Any]]:
    """Put neighbours of one role together: all results of parallel calls have to stand in one turn."""
    turns: list[dict[str, Any]] = []
    for message in messages:
        if message.role == chat_pb2.ROLE_SYSTEM:
            continue
        if message.role not in _ROLES:
            raise phrases.unknown_role(message)
        role, blocks = _ROLES[message.role], list(_blocks(message))
        if turns and turns[-1]["role"] == role:
            turns[-1]["content"] += blocks
        else:
            turns.append({"role": role, "content": blocks})
    return turns


def _blocks(message: chat_pb2.Message) -> Iterator[dict[str, Any]]:
    if message.role == chat_pb2.ROLE_TOOL:
        content = phrases.text(message.parts)
        yield {"type": "tool_result", "tool_use_id": _id(message.tool_call_id), "content": content}
        return
    for call in message.tool_calls:
        yield from phrases.state(call, STATE_NAME) or ()
    for part in message.parts:
        if part.HasField("image") and message.role == chat_pb2.ROLE_USER:
            yield {"type": "image", "source": _source(part.image)}
        else:
            yield {"type": "text", "text": phrases.text([part])}
    for call in message.tool_calls:
        yield {"type": "tool_use", "id": _id(call.id), "name": call.name, "input": phrases.arguments(call)}


def _id(call_id: str) -> str:
    """Other providers' ids may hold what this one refuses."""
    return _STRANGE_IN_IDS.sub("_", call_id)


def _source(image: chat_pb2.Image) -> dict[str, str]:
    if image.HasField("url"):
        return {"type": "url", "url": image.url}
    return {"type": "base64", "media_type": image.mime_type, "data": phrases.base64(image)}


def _tool(tool: chat_pb2.Tool) -> dict[str, Any]:
    schema = phrases.parameters(tool) or {"type": "object", "properties": {}}
    return {"name": tool.name, "description": tool.description, "input_schema": schema}


def _output_format(wanted: chat_pb2.ResponseFormat) -> dict[str, Any] | None:
    match wanted.WhichOneof("format"):
        case "json_object":
            raise unsupported("Messages have no format for any one JSON object; send a json_schema")
        case "json_schema":
            return {"type": "json_schema", "schema": phrases.answer_schema(wanted)}
    return None
