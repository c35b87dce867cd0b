"""Converts conversations and tools from the JSON formats that people and other programs use.

A message is {"role": "user", "content": "…"}, a tool {"name": …, "description": …, "parameters": {…}}. Both may also be
in the format of OpenAI's chat completions, or of this contract ({"role": "ROLE_USER", "parts": […]}).
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from google.protobuf.json_format import ParseDict, ParseError

from weft.common.v1 import chat_pb2
from weft_client.images import image

Said: TypeAlias = Mapping[str, Any]
"""A message or a tool, parsed from JSON."""

_ROLES = {
    "system": chat_pb2.ROLE_SYSTEM,
    "developer": chat_pb2.ROLE_SYSTEM,
    "user": chat_pb2.ROLE_USER,
    "assistant": chat_pb2.ROLE_ASSISTANT,
    "tool": chat_pb2.ROLE_TOOL,
}


def messages(history: Sequence[Said | chat_pb2.Message]) -> list[chat_pb2.Message]:
    """Returns the messages of a conversation.

    Raises:
        ValueError: one of them is malformed; the error gives its number, from 1.
    """
    return [_numbered("message", number, said, _message) for number, said in enumerate(history, 1)]


def tools(described: Sequence[Said | chat_pb2.Tool]) -> list[chat_pb2.Tool]:
    """Returns the tools that a model may call.

    Raises:
        ValueError: one of them is malformed; the error gives its number, from 1.
    """
    return [_numbered("tool", number, said, _tool) for number, said in enumerate(described, 1)]


def said_by(message: chat_pb2.Message) -> dict[str, Any]:
    """Returns a message in the format that `messages` reads, without its pictures."""
    role = next(name for name, value in _ROLES.items() if value == message.role)
    said: dict[str, Any] = {"role": role, "content": "".join(part.text for part in message.parts)}
    if message.tool_calls:
        said["tool_calls"] = [_said_call(call) for call in message.tool_calls]
    if message.tool_call_id:
        said["tool_call_id"] = message.tool_call_id
    return said


def read_list(text: str) -> list[Any]:
    """Returns the values of a JSON list, or of one JSON value per line.

    Raises:
        ValueError: the text is neither; the error names the line.
    """
    if text.lstrip().startswith("["):
        found = json.loads(text)
        return list(found)
    values = []
    # Not `splitlines`: JSON strings may contain other line ends, such as U+2028.
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            try:
                values.append(json.loads(line))
            except ValueError as error:
                raise ValueError(f"line {number} is no JSON: {error}") from None
    return values


def _numbered(kind: str, number: int, said: Any, read: Any) -> Any:
    try:
        return read(said)
    except (ValueError, TypeError, ParseError) as wrong:
        raise ValueError(f"{kind} {number}: {wrong}") from None


def _message(said: Said | chat_pb2.Message) -> chat_pb2.Message:
    if isinstance(said, chat_pb2.Message):
        return said
    _check_object(said)
    if "parts" in said:
        return ParseDict(dict(said), chat_pb2.Message())
    _check_fields(said, {"role", "content", "tool_calls", "tool_call_id", "name"})
    role = said.get("role")
    if role not in _ROLES:
        raise ValueError(f'"role" must be one of {", ".join(_ROLES)}; it is {role!r}')
    return chat_pb2.Message(
        role=_ROLES[role],
        parts=_parts(said.get("content")),
        tool_calls=[_tool_call(call) for call in said.get("tool_calls") or ()],
        tool_call_id=_text(said, "tool_call_id"),
    )


def _parts(content: object) -> list[chat_pb2.ContentPart]:
    if content is None or content == "":
        return []
    if isinstance(content, str):
        return [chat_pb2.ContentPart(text=content)]
    if isinstance(content, list):
        return [_part(part) for part in content]
    raise TypeError('"content" must be a text or a list of parts')


def _part(part: object) -> chat_pb2.ContentPart:
    match part:
        case {"type": "text", "text": str(text)}:
            return chat_pb2.ContentPart(text=text)
        case {"type": "image_url", "image_url": {"url": str(url)}}:
            return chat_pb2.ContentPart(image=image(url))
    raise ValueError('a part of "content" must be of type text or image_url')


def _said_call(call: chat_pb2.ToolCall) -> dict[str, Any]:
    said = {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments_json}}
    return said | ({"provider_state": call.provider_state} if call.provider_state else {})


def _tool_call(call: Said) -> chat_pb2.ToolCall:
    _check_object(call)
    function = call.get("function", call)
    arguments = function.get("arguments", "")
    return chat_pb2.ToolCall(
        id=_text(call, "id"),
        name=_text(function, "name"),
        arguments_json=arguments if isinstance(arguments, str) else json.dumps(arguments),
        provider_state=_text(call, "provider_state"),
    )


def _tool(said: Said | chat_pb2.Tool) -> chat_pb2.Tool:
    if isinstance(said, chat_pb2.Tool):
        return said
    _check_object(said)
    if "parameters_schema" in said:
        return ParseDict(dict(said), chat_pb2.Tool())
    function = said.get("function", said) if said.get("type") == "function" else said
    _check_object(function)
    _check_fields(function, {"type", "name", "description", "parameters", "strict"})
    if not function.get("name"):
        raise ValueError('it has no "name"')
    parameters = function.get("parameters")
    if parameters is not None and not isinstance(parameters, Mapping):
        raise TypeError('"parameters" must be a JSON Schema, an object')
    return chat_pb2.Tool(
        name=_text(function, "name"),
        description=_text(function, "description"),
        parameters_schema=json.dumps(parameters) if parameters else "",
    )


def _check_object(said: object) -> None:
    if not isinstance(said, Mapping):
        raise TypeError("it is no JSON object")


def _check_fields(said: Said, known: set[str]) -> None:
    if unknown := said.keys() - known:
        raise ValueError(f"there is no field {min(unknown)!r}; there are {', '.join(sorted(known))}")


def _text(said: Said, name: str) -> str:
    text = said.get(name) or ""
    if not isinstance(text, str):
        raise TypeError(f'"{name}" must be a text; it is {text!r}')
    return text
