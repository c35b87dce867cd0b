"""OpenAI's chat completions, as OpenAI, Azure, vLLM, Ollama, Groq, OpenRouter and many others speak them."""

import re
from collections.abc import Mapping
from typing import Any

import httpx

from weft.common.v1 import chat_pb2
from weft.inference.v1 import inference_pb2
from weft.job.v1 import event_pb2
from weft_kit.provider_entries import OpenAIEntry, OpenAIResponsesEntry
from weft_router.providers import phrases
from weft_router.providers.answer import Answer
from weft_router.providers.failures import error_in_stream

_ROLES = {
    chat_pb2.ROLE_SYSTEM: "system",
    chat_pb2.ROLE_USER: "user",
    chat_pb2.ROLE_ASSISTANT: "assistant",
    chat_pb2.ROLE_TOOL: "tool",
}
TOOL_CHOICES = {
    chat_pb2.TOOL_CHOICE_AUTO: "auto",
    chat_pb2.TOOL_CHOICE_NONE: "none",
    chat_pb2.TOOL_CHOICE_REQUIRED: "required",
}
# top_k is not among them: chat completions has none, and refuses requests with fields it does not know.
_NUMBERS = {
    name: name for name in ("temperature", "top_p", "frequency_penalty", "presence_penalty", "max_tokens", "seed")
}
# Models that reason refuse max_tokens; servers other than OpenAI's know nothing else.
_REASONING_MODEL = re.compile(r"(o[1-9]|gpt-5)(?![0-9])")
_FINISH_REASONS = {
    "stop": chat_pb2.FINISH_REASON_STOP,
    "length": chat_pb2.FINISH_REASON_LENGTH,
    "tool_calls": chat_pb2.FINISH_REASON_TOOL_CALLS,
    "function_call": chat_pb2.FINISH_REASON_TOOL_CALLS,
    "content_filter": chat_pb2.FINISH_REASON_CONTENT_FILTER,
}


class ChatCompletions:
    """The format, as one server of it wants it."""

    def __init__(self, entry: OpenAIEntry) -> None:
        self._entry = entry
        self._url = url_of(entry, "chat/completions")
        self.models_url = url_of(entry, "models")
        self.continues_prefix = entry.continues_prefix

    def headers(self, key: str) -> Mapping[str, str]:
        return key_header(self._entry, key)

    def url(self, _model: str) -> httpx.URL:
        return self._url

    def answer(self, _request: inference_pb2.GenerateRequest) -> "ChatAnswer":
        return ChatAnswer()

    def body(self, request: inference_pb2.GenerateRequest) -> dict[str, Any]:
        """Return the request's JSON body, streaming, with usage at the end; see WireFormat."""
        said: dict[str, Any] = {
            "model": request.model,
            "messages": [_message(message) for message in request.messages],
            "stream": True,
        }
        if self._entry.stream_usage:
            said["stream_options"] = {"include_usage": True}
        said |= self._sampling(request)
        if request.tools:
            said["tools"] = [{"type": "function", "function": _function(tool)} for tool in request.tools]
            if choice := TOOL_CHOICES.get(request.tool_choice):
                said["tool_choice"] = choice
        if response_format := _response_format(request.response_format):
            said["response_format"] = response_format
        if request.prefix and self.continues_prefix:
            said["messages"].append({"role": "assistant", "content": request.prefix})
            said |= {"continue_final_message": True, "add_generation_prompt": False}
        return said

    def _sampling(self, request: inference_pb2.GenerateRequest) -> dict[str, Any]:
        said: dict[str, Any] = phrases.numbers(request.sampling, _NUMBERS)
        if "max_tokens" in said and self._longest_field(request.model) != "max_tokens":
            said["max_completion_tokens"] = said.pop("max_tokens")
        return said | ({"stop": list(request.sampling.stop)} if request.sampling.stop else {})

    def _longest_field(self, model: str) -> str:
        if self._entry.max_tokens_field != "auto":
            return self._entry.max_tokens_field
        return "max_completion_tokens" if _REASONING_MODEL.match(model) else "max_tokens"


def url_of(entry: OpenAIEntry | OpenAIResponsesEntry, path: str) -> httpx.URL:
    """Return where `path` is, with Azure's version where one is set."""
    url = httpx.URL(f"{str(entry.base_url).rstrip('/')}/{path}")
    return url.copy_merge_params({"api-version": entry.api_version}) if entry.api_version else url


def key_header(entry: OpenAIEntry | OpenAIResponsesEntry, key: str) -> Mapping[str, str]:
    if not key:
        return {}
    return {"api-key": key} if entry.key_header == "api-key" else {"authorization": f"Bearer {key}"}


def _message(message: chat_pb2.Message) -> dict[str, Any]:
    if message.role not in _ROLES:
        raise phrases.unknown_role(message)
    said: dict[str, Any] = {"role": _ROLES[message.role], "content": _content(message)}
    if message.tool_calls:
        said["content"] = said["content"] or None
        said["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments_json}}
            for call in message.tool_calls
        ]
    if message.tool_call_id:
        said["tool_call_id"] = message.tool_call_id
    return said


def _content(message: chat_pb2.Message) -> str | list[dict[str, Any]]:
    if message.role != chat_pb2.ROLE_USER or phrases.is_text(message.parts):
        return phrases.text(message.parts)
    return [
        {"type": "image_url", "image_url": {"url": phrases.image_url(part.image)}}
        if part.HasField("image")
        else {"type": "text", "text": phrases.text([part])}
        for part in message.parts
    ]


def _function(tool: chat_pb2.Tool) -> dict[str, Any]:
    function: dict[str, Any] = {"name": tool.name, "description": tool.description}
    if (parameters := phrases.parameters(tool)) is not None:
        function["parameters"] = parameters
    return function


def _response_format(wanted: chat_pb2.ResponseFormat) -> dict[str, Any] | None:
    match wanted.WhichOneof("format"):
        case "json_object":
            return {"type": "json_object"}
        case "json_schema":
            name = wanted.json_schema.name or phrases.ANSWER
            named = {"name": name, "schema": phrases.answer_schema(wanted), "strict": True}
            return {"type": "json_schema", "json_schema": named}
    return None


class ChatAnswer(Answer):
    """Chunks, then an end marker. Only the first choice is read."""

    end_marker = "[DONE]"
    finish_reasons = _FINISH_REASONS

    def __init__(self) -> None:
        super().__init__()
        self._call_ids: list[str] = []
        self._by_index: dict[int | None, int] = {}
        """The latest call by the server's number for it; by None the latest of all."""

    def event(self, event: dict[str, Any]) -> bool:
        if usage := event.get("usage"):
            self.report(_usage(usage))
        if event.get("error") or ("choices" not in event and event.get("object") == "error"):
            raise error_in_stream(event)
        for choice in event["choices"] or ():
            if choice.get("index", 0) == 0:
                self.raw_finish_reason = choice.get("finish_reason") or self.raw_finish_reason
                self._delta(choice.get("delta") or {})
        return False

    def _delta(self, delta: dict[str, Any]) -> None:
        text = delta.get("content")
        if text and len(delta) == 1:  # nearly every chunk there is
            self.said.token_count += 1
            self.said.text += text
            return
        refusal, calls = delta.get("refusal"), delta.get("tool_calls")
        # Two names for one thing; servers that changed from the first to the second send both for a while.
        reasoning = delta.get("reasoning_content") or delta.get("reasoning")
        if not (text or refusal or calls or reasoning):
            return
        self.said.token_count += 1
        if text:
            self.said.text += text
        if reasoning:
            self.said.reasoning += reasoning
        if refusal:
            self.refused = True
            self.said.text += refusal
        if calls:
            self.said.tool_calls.extend(map(self._tool_call, calls))

    def _tool_call(self, call: dict[str, Any]) -> event_pb2.ToolCallDelta:
        function = call.get("function") or {}
        index, is_new = self._place(call)
        return event_pb2.ToolCallDelta(
            index=index,
            id=self._call_ids[index] if is_new else "",
            name=function.get("name") or "",
            arguments_json=function.get("arguments") or "",
        )

    def _place(self, call: dict[str, Any]) -> tuple[int, bool]:
        """Return which call a piece belongs to, and whether it is its first.

        Not every server numbers them: some leave the index out, some say 0 for all, some repeat the id, some have none.
        """
        index, call_id = call.get("index"), call.get("id")
        if call_id in self._call_ids:
            return self._call_ids.index(call_id), False
        if not call_id and index in self._by_index:
            named_anew = index is None and (call.get("function") or {}).get("name")
            if not named_anew:
                return self._by_index[index], False
        self._by_index[index] = self._by_index[None] = self.calls
        self._call_ids.append(call_id or f"call_{self.calls}")
        self.calls += 1
        return self.calls - 1, True


def _usage(usage: dict[str, Any]) -> chat_pb2.Usage:
    prompt, completion = usage.get("prompt_tokens_details") or {}, usage.get("completion_tokens_details") or {}
    return chat_pb2.Usage(
        prompt_tokens=usage.get("prompt_tokens") or 0,
        completion_tokens=usage.get("completion_tokens") or 0,
        cached_prompt_tokens=prompt.get("cached_tokens") or usage.get("prompt_cache_hit_tokens") or 0,
        reasoning_tokens=completion.get("reasoning_tokens") or 0,
    )
