"""The messages of OpenAI's chat completions, in the variants of the many servers that speak them."""

import re
from collections.abc import Iterator, Sequence
from typing import Any

from weft.common.v1 import chat_pb2
from weft.inference.v1 import inference_pb2
from weft_router.providers import encoding
from weft_router.providers.conversation import OPENING, CallIds, arranged, is_blank
from weft_router.providers.model_names import DEMANDS_REASONING, MISTRAL, STRICT_TEMPLATE, holds
from weft_router.providers.openai.reasoning import STATE_NAME, parted

_ROLES = {
    chat_pb2.ROLE_SYSTEM: "system",
    chat_pb2.ROLE_USER: "user",
    chat_pb2.ROLE_ASSISTANT: "assistant",
    chat_pb2.ROLE_TOOL: "tool",
}
# OpenAI accepts any 40 characters; other servers read information of their own from their ids (Kimi).
_IDS = CallIds(re.compile(r"[!-~]{1,40}"))
_MISTRALS_IDS = CallIds(re.compile(r"[a-zA-Z0-9]{9}"), prefix="", digits=9)
_TAKES_NO_REASONING = ("api.groq.com", "api.cerebras.ai")
# For Kimi an empty text counts as missing.
_NO_REASONING = {"reasoning_content": " "}
_BRIDGE = "OK."


def messages(request: inference_pb2.GenerateRequest, server: str, source: str) -> Iterator[dict[str, Any]]:
    """Yields the messages of a request; `server` is a host, `source` names it and the model, see encoding.state."""
    is_mistral = holds(request.model, MISTRAL) or server.endswith("mistral.ai")
    told = arranged(request.messages, _MISTRALS_IDS if is_mistral else _IDS)
    is_strict = is_mistral or holds(request.model, STRICT_TEMPLATE)
    system, others = _apart(told, only_first=not is_strict)
    if len(system) == 1:
        yield _message(system[0], source, demands=False)
    elif system:
        yield {"role": "system", "content": "\n\n".join(encoding.text(message.parts) for message in system)}
    demands = holds(request.model, DEMANDS_REASONING) and server not in _TAKES_NO_REASONING
    said = [_message(message, source, demands=demands) for message in others]
    yield from _taking_turns(said) if is_strict else said


def _apart(
    told: Sequence[chat_pb2.Message], *, only_first: bool
) -> tuple[list[chat_pb2.Message], Sequence[chat_pb2.Message]]:
    """Returns the system messages, or only those that come first, and all others.

    `messages` joins them into one, as many templates allow no second: see vllm-project/vllm#41114.
    """
    if only_first:
        count = next((at for at, one in enumerate(told) if one.role != chat_pb2.ROLE_SYSTEM), len(told))
        return list(told[:count]), told[count:]
    system = [message for message in told if message.role == chat_pb2.ROLE_SYSTEM]
    return system, [message for message in told if message.role != chat_pb2.ROLE_SYSTEM]


def _taking_turns(said: Sequence[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yields messages such that the user begins, adjacent ones of one role are joined, and no user follows a tool."""
    before: dict[str, Any] = {"role": "nobody"}
    for message in said:
        role, follows = message["role"], before["role"]
        if role == follows and role != "tool" and "tool_calls" not in before:
            before |= message | {"content": _joined(before["content"], message["content"])}
            continue
        if follows != "nobody":
            yield before
        if role == "user" and follows == "tool":
            yield {"role": "assistant", "content": _BRIDGE}
        elif role == "assistant" and follows == "nobody":
            yield {"role": "user", "content": OPENING}
        before = message
    if before["role"] != "nobody":
        yield before


def _joined(first: Any, second: Any) -> Any:
    if not first or not second:
        return first or second
    if isinstance(first, str) and isinstance(second, str):
        return f"{first}\n\n{second}"
    return [*_listed(first), *_listed(second)]


def _listed(content: Any) -> list[Any]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def _message(message: chat_pb2.Message, source: str, *, demands: bool) -> dict[str, Any]:
    if message.role not in _ROLES:
        raise encoding.unknown_role(message)
    said: dict[str, Any] = {"role": _ROLES[message.role], "content": _content(message)}
    if message.tool_calls:
        said["content"] = None if is_blank(message.parts) else said["content"]
        said |= _calls(message.tool_calls, source, demands=demands)
    if message.tool_call_id:
        said["tool_call_id"] = message.tool_call_id
    return said


def _calls(calls: Sequence[chat_pb2.ToolCall], source: str, *, demands: bool) -> dict[str, Any]:
    """Returns calls, each with its own state, and the reasoning that led to them."""
    told, (reasoning, *_) = zip(*(_call(call, source) for call in calls), strict=True)
    return {"tool_calls": list(told)} | (reasoning or (_NO_REASONING if demands else {}))


def _call(call: chat_pb2.ToolCall, source: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Returns a call, and the reasoning kept with it."""
    function = {"name": call.name, "arguments": encoding.arguments_text(call)}
    reasoning, of_call = parted(encoding.state(call, STATE_NAME, source))
    return {"id": call.id, "type": "function", "function": function} | of_call, reasoning


def _content(message: chat_pb2.Message) -> str | list[dict[str, Any]]:
    if message.role != chat_pb2.ROLE_USER or encoding.is_text(message.parts):
        return encoding.text(message.parts)
    return [
        {"type": "image_url", "image_url": {"url": encoding.image_url(part.image)}}
        if part.HasField("image")
        else {"type": "text", "text": encoding.text([part])}
        for part in message.parts
    ]
