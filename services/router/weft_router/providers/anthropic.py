"""Anthropic's Messages: content blocks that begin, grow and end."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import httpx

from weft.common.v1 import chat_pb2
from weft.inference.v1 import inference_pb2
from weft.job.v1 import event_pb2
from weft_kit.provider_entries import AnthropicEntry
from weft_router.providers import phrases
from weft_router.providers.answer import Answer
from weft_router.providers.failures import error_in_stream
from weft_router.providers.port import unsupported

_NAME = "anthropic"
_ROLES = {chat_pb2.ROLE_USER: "user", chat_pb2.ROLE_ASSISTANT: "assistant", chat_pb2.ROLE_TOOL: "user"}
_TOOL_CHOICES = {
    chat_pb2.TOOL_CHOICE_AUTO: "auto",
    chat_pb2.TOOL_CHOICE_NONE: "none",
    chat_pb2.TOOL_CHOICE_REQUIRED: "any",
}
_NUMBERS = {"temperature": "temperature", "top_p": "top_p", "top_k": "top_k", "max_tokens": "max_tokens"}
_DEFAULT_MAX_TOKENS = 1024  # the format requires a number
_STRANGE_IN_IDS = re.compile(r"[^a-zA-Z0-9_-]")
_THINKING = ("thinking", "redacted_thinking")
_FINISH_REASONS = {
    "end_turn": chat_pb2.FINISH_REASON_STOP,
    "stop_sequence": chat_pb2.FINISH_REASON_STOP,
    "max_tokens": chat_pb2.FINISH_REASON_LENGTH,
    "model_context_window_exceeded": chat_pb2.FINISH_REASON_LENGTH,
    "tool_use": chat_pb2.FINISH_REASON_TOOL_CALLS,
    "refusal": chat_pb2.FINISH_REASON_CONTENT_FILTER,
}


class Messages:
    """The format."""

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

    def answer(self, request: inference_pb2.GenerateRequest) -> "MessagesAnswer":
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
        yield from phrases.state(call, _NAME) or ()
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


class MessagesAnswer(Answer):
    """Blocks by their index; those that are neither text, thinking nor a call of our tools say nothing to us.

    Where the answer goes on from a text, `repeated` is the white space that text ended with, which was not sent.
    """

    finish_reasons = _FINISH_REASONS

    def __init__(self, repeated: str = "") -> None:
        super().__init__()
        self._repeated = repeated
        self._calls: dict[int, int] = {}
        """Our number of a call by its block's index."""
        self._thoughts: dict[int, dict[str, Any]] = {}
        """The thinking blocks that no call has been given yet, by index."""
        self._counted: dict[str, Any] = {}

    def event(self, event: dict[str, Any]) -> bool:
        match event["type"]:
            case "content_block_delta":
                self._grow(event["index"], event["delta"])
            case "content_block_start":
                self._begin(event["index"], event["content_block"])
            case "message_delta":
                self.raw_finish_reason = event["delta"].get("stop_reason") or self.raw_finish_reason
                self._count(event.get("usage"))
            case "message_start":
                self._count(event["message"].get("usage"))
            case "message_stop":
                return True
            case "error":
                raise error_in_stream(event)
        return False

    def _begin(self, index: int, block: dict[str, Any]) -> None:
        match block["type"]:
            case "text":
                self._text(block.get("text") or "")
            case "tool_use":
                self._call(index, block)
            case kind if kind in _THINKING:
                self._thoughts[index] = block
                self._think(block.get("thinking") or "")

    def _grow(self, index: int, delta: dict[str, Any]) -> None:
        match delta["type"]:
            case "text_delta":
                self._text(delta["text"])
            case "thinking_delta":
                self._thoughts[index]["thinking"] += delta["thinking"]
                self._think(delta["thinking"])
            case "signature_delta":
                self._thoughts[index]["signature"] = delta["signature"]
            case "input_json_delta" if index in self._calls and delta["partial_json"]:
                self.said.tool_calls.add(index=self._calls[index], arguments_json=delta["partial_json"])
                self.said.token_count += 1

    def _text(self, text: str) -> None:
        while self._repeated and text:
            if text[0] != self._repeated[0]:
                self._repeated = ""
                break
            text, self._repeated = text[1:], self._repeated[1:]
        if text:
            self.said.text += text
            self.said.token_count += 1

    def _think(self, text: str) -> None:
        if text:
            self.said.reasoning += text
            self.said.token_count += 1

    def _call(self, index: int, block: dict[str, Any]) -> None:
        call = event_pb2.ToolCallDelta(index=self.calls, id=block["id"], name=block["name"])
        if block.get("input"):
            call.arguments_json = phrases.json_text(block["input"])
        if self._thoughts:
            # The model refuses to go on after a call whose thinking it does not see again.
            call.provider_state = phrases.kept(_NAME, list(self._thoughts.values()))
            self._thoughts = {}
        self.said.tool_calls.append(call)
        self.said.token_count += 1
        self._calls[index] = self.calls
        self.calls += 1

    def _count(self, usage: dict[str, Any] | None) -> None:
        """Take in counts, which are totals: later ones replace earlier ones, and null says nothing."""
        if usage:
            self._counted |= {name: count for name, count in usage.items() if count is not None}
            self.report(_usage(self._counted))


def _usage(usage: dict[str, Any]) -> chat_pb2.Usage:
    read, written = usage.get("cache_read_input_tokens", 0), usage.get("cache_creation_input_tokens", 0)
    return chat_pb2.Usage(
        prompt_tokens=usage.get("input_tokens", 0) + read + written,
        completion_tokens=usage.get("output_tokens", 0),
        cached_prompt_tokens=read,
        cache_write_prompt_tokens=written,
        reasoning_tokens=usage.get("output_tokens_details", {}).get("thinking_tokens", 0),
    )
