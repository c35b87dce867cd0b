"""Anthropic's Messages: turns of content blocks."""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import httpx

from weft.common.v1 import chat_pb2
from weft.inference.v1 import inference_pb2
from weft_kit.catalog.providers import AnthropicEntry
from weft_router.providers import encoding
from weft_router.providers.anthropic.messages_answer import STATE_NAME, MessagesAnswer
from weft_router.providers.conversation import OPENING, CallIds, arranged, is_blank
from weft_router.providers.model_names import (
    CLAUDE_ADAPTS_OR_MUST_CALL,
    CLAUDE_NEVER_MUST_CALL,
    CLAUDE_WITHOUT_FORMAT,
    holds,
)
from weft_router.providers.provider import unsupported
from weft_router.providers.refused_sampling import PENALTIES, of_claude
from weft_router.providers.schemas.strict_schema import CLAUDE, enforced
from weft_router.providers.tool_names import NAME

_ROLES = {chat_pb2.ROLE_USER: "user", chat_pb2.ROLE_ASSISTANT: "assistant", chat_pb2.ROLE_TOOL: "user"}
_TOOL_CHOICES = {
    chat_pb2.TOOL_CHOICE_AUTO: "auto",
    chat_pb2.TOOL_CHOICE_NONE: "none",
    chat_pb2.TOOL_CHOICE_REQUIRED: "any",
}
_NUMBERS = {"temperature": "temperature", "top_p": "top_p", "top_k": "top_k", "max_tokens": "max_tokens"}
_LACKS = PENALTIES | {"seed"}
_HOTTEST = 1.0  # other formats allow 2
_DEFAULT_MAX_TOKENS = 1024  # the format requires a number
_IDS = CallIds(re.compile(r"[a-zA-Z0-9_-]{1,64}"), prefix="toolu_")
_THINKING_BLOCKS = ("thinking", "redacted_thinking")


class Messages:
    """The format."""

    def __init__(self, entry: AnthropicEntry) -> None:
        base_url = str(entry.base_url).rstrip("/")
        self._entry = entry
        self._version = entry.version
        thinking = entry.extra_body.get("thinking")
        self._set_thinking: Mapping[str, Any] = thinking if isinstance(thinking, dict) else {}
        self._url = httpx.URL(f"{base_url}/messages")
        self._source = encoding.source(base_url)
        self.models_url = httpx.URL(f"{base_url}/models?limit=1")
        self.continues_prefix = entry.continues_prefix

    def headers(self, key: str) -> Mapping[str, str]:
        return {"anthropic-version": self._version} | ({"x-api-key": key} if key else {})

    def url(self, _model: str) -> httpx.URL:
        return self._url

    def tool_name(self, _model: str) -> re.Pattern[str]:
        return NAME

    def answer(self, request: inference_pb2.GenerateRequest) -> MessagesAnswer:
        prefix = request.prefix if self.continues_prefix else ""
        return MessagesAnswer(prefix[len(prefix.rstrip()) :], self._source)

    def refused(self, request: inference_pb2.GenerateRequest) -> Collection[str]:
        return self._refused(request, self._thinking(request))

    def _refused(self, request: inference_pb2.GenerateRequest, thinking: Mapping[str, Any]) -> Collection[str]:
        refused = of_claude(request.model, request.sampling, thinking) | _LACKS
        return refused if thinking == self._set_thinking else refused | {"thinking"}

    def fitted(self, request: inference_pb2.GenerateRequest) -> Mapping[str, float]:
        return {"temperature": _HOTTEST} if request.sampling.temperature > _HOTTEST else {}

    def extra_body(self, request: inference_pb2.GenerateRequest) -> Mapping[str, Any]:
        """Returns the catalog's additions, without thinking if that is refused with this request."""
        extra = self._entry.extra_body
        if self._thinking(request) == self._set_thinking:
            return extra
        return {name: value for name, value in extra.items() if name != "thinking"}

    def _thinking(self, request: inference_pb2.GenerateRequest) -> Mapping[str, Any]:
        """Returns the catalog's setting of thinking; empty if the request does not allow it.

        A model that must call a tool cannot think first. One with a thinking budget must think at the beginning of a
        turn, which another model may have written.
        """
        thinking = self._set_thinking
        is_budget, is_adaptive = (thinking.get("type") == kind for kind in ("enabled", "adaptive"))
        must_call = request.tools and request.tool_choice == chat_pb2.TOOL_CHOICE_REQUIRED
        if must_call and (is_budget or (is_adaptive and holds(request.model, CLAUDE_ADAPTS_OR_MUST_CALL))):
            return {}
        return {} if is_budget and _goes_on_unthought(request.messages, self._source) else thinking

    def body(self, request: inference_pb2.GenerateRequest) -> dict[str, Any]:
        """Returns the request's JSON body; see WireFormat."""
        said: dict[str, Any] = {
            "model": request.model,
            "messages": _turns(arranged(request.messages, _IDS), self._source),
            "stream": True,
            "max_tokens": _DEFAULT_MAX_TOKENS,
        }
        thinking = self._thinking(request)
        said |= encoding.numbers(request.sampling, _NUMBERS, self._refused(request, thinking), self.fitted(request))
        if thinking:
            said["max_tokens"] = self._entry.most_tokens(said["max_tokens"])
        # Blank stop texts are refused.
        if stop := [text for text in request.sampling.stop if text.strip()]:
            said["stop_sequences"] = stop
        form = _output_format(request.response_format, request.model)
        told = "" if form else encoding.form_in_words(request.response_format)
        if system := "\n\n".join((*encoding.system_texts(request.messages), *filter(None, [told]))):
            said["system"] = system
        if request.tools:
            said["tools"] = [_tool(tool) for tool in request.tools]
            if request.tool_choice == chat_pb2.TOOL_CHOICE_REQUIRED and holds(request.model, CLAUDE_NEVER_MUST_CALL):
                raise unsupported(
                    "this model cannot be made to call a tool; ask with AUTO, or name another model alias"
                )
            if choice := _TOOL_CHOICES.get(request.tool_choice):
                said["tool_choice"] = {"type": choice}
        if form:
            said["output_config"] = {"format": form}
        # White space at the end of a prefix is refused; MessagesAnswer removes what the answer repeats of it.
        if self.continues_prefix and (prefix := request.prefix.rstrip()):
            said["messages"].append({"role": "assistant", "content": prefix})
        return said


def _goes_on_unthought(messages: Sequence[chat_pb2.Message], source: str) -> bool:
    """Returns whether a request continues a turn of calls that does not begin with this provider's thinking."""
    at = len(messages) - 1
    while at >= 0 and messages[at].role != chat_pb2.ROLE_ASSISTANT:
        at -= 1
    if at < 0 or not messages[at].tool_calls:
        return False
    first = messages[at]
    while at >= 0 and messages[at].role != chat_pb2.ROLE_USER:
        one = messages[at]
        if one.role == chat_pb2.ROLE_ASSISTANT and (one.tool_calls or not is_blank(one.parts)):
            first = one
        at -= 1
    blocks = encoding.state(first.tool_calls[0], STATE_NAME, source) if first.tool_calls else None
    block = blocks[0] if isinstance(blocks, list) and blocks else None
    return not isinstance(block, dict) or block.get("type") not in _THINKING_BLOCKS


def _turns(messages: Sequence[chat_pb2.Message], source: str) -> list[dict[str, Any]]:
    """Returns the turns, with adjacent messages of one role joined: all results of parallel calls must be in one turn,
    before any text.

    The user begins, as every model requires, and ends, as newer ones require.
    """
    turns: list[dict[str, Any]] = []
    for message in messages:
        if message.role == chat_pb2.ROLE_SYSTEM:
            continue
        if message.role not in _ROLES:
            raise encoding.unknown_role(message)
        role, blocks = _ROLES[message.role], list(_blocks(message, source))
        if turns and turns[-1]["role"] == role:
            turns[-1]["content"] += blocks
        elif blocks:
            turns.append({"role": role, "content": blocks})
    if turns and turns[0]["role"] == "assistant":
        turns.insert(0, {"role": "user", "content": [{"type": "text", "text": OPENING}]})
    is_over = not turns or turns[-1]["role"] == "assistant"
    if is_over and messages and messages[-1].role == chat_pb2.ROLE_USER:
        raise unsupported("the last message is blank, and this provider takes no blank text; write something")
    return turns


def _blocks(message: chat_pb2.Message, source: str) -> Iterator[dict[str, Any]]:
    """Yields a message's blocks, without blank texts, which are refused (anthropics/claude-code#23440)."""
    if message.role == chat_pb2.ROLE_TOOL:
        result = {"type": "tool_result", "tool_use_id": message.tool_call_id}
        content = encoding.text(message.parts)
        yield result | ({"content": content} if content.strip() else {})
        return
    # The thinking before a call stays where it was: no block of it may be changed or moved.
    thoughts = [encoding.state(call, STATE_NAME, source) or () for call in message.tool_calls]
    yield from thoughts[0] if thoughts else ()
    for part in message.parts:
        if part.HasField("image") and message.role == chat_pb2.ROLE_USER:
            yield {"type": "image", "source": _source(part.image)}
        elif (text := encoding.text([part])).strip():
            yield {"type": "text", "text": text}
    for place, call in enumerate(message.tool_calls):
        yield from thoughts[place] if place else ()
        yield {"type": "tool_use", "id": call.id, "name": call.name, "input": encoding.arguments(call)}


def _source(image: chat_pb2.Image) -> dict[str, str]:
    if image.HasField("url"):
        return {"type": "url", "url": image.url}
    return {"type": "base64", "media_type": image.mime_type, "data": encoding.base64(image)}


def _tool(tool: chat_pb2.Tool) -> dict[str, Any]:
    return encoding.described(tool) | {"input_schema": encoding.parameters(tool)}


def _output_format(wanted: chat_pb2.ResponseFormat, model: str) -> dict[str, Any] | None:
    """Returns the output format if the model enforces it, as it does for some schemas; None for any JSON object."""
    if not wanted.HasField("json_schema") or holds(model, CLAUDE_WITHOUT_FORMAT):
        return None
    schema = enforced(encoding.answer_schema(wanted), CLAUDE)
    return {"type": "json_schema", "schema": schema} if schema else None
