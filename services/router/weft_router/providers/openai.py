"""OpenAI's chat completions, as OpenAI, Azure, vLLM, Ollama, Groq, OpenRouter and many others speak them."""

import re
from collections.abc import Collection, Mapping
from typing import Any

import httpx

from weft.common.v1 import chat_pb2
from weft.inference.v1 import inference_pb2
from weft_kit.provider_entries import OpenAIEntry, OpenAIResponsesEntry
from weft_router.providers import openai_messages, phrases
from weft_router.providers.openai_answer import ChatAnswer
from weft_router.providers.refused_sampling import MISTRAL, REASONING_MODEL, hottest, of_chat
from weft_router.providers.strict_schema import OPENAI, OPENAI_PLAIN, Dialect, enforced
from weft_router.providers.tool_names import NAME

TOOL_CHOICES = {
    chat_pb2.TOOL_CHOICE_AUTO: "auto",
    chat_pb2.TOOL_CHOICE_NONE: "none",
    chat_pb2.TOOL_CHOICE_REQUIRED: "required",
}
_NUMBERS = {
    name: name for name in ("temperature", "top_p", "frequency_penalty", "presence_penalty", "max_tokens", "seed")
}
_LACKS = frozenset({"top_k"})
_MOST_STOPS = 4
_SEEDS = 2**63
# DeepSeek's own: "This response_format type is unavailable now" (llm-exe/llm-exe#662).
_WITHOUT_SCHEMAS = re.compile(r"deepseek-(chat|reasoner|v[0-9].*|flash)")


class ChatCompletions:
    """The format, as one server of it wants it."""

    tool_name = NAME

    def __init__(self, entry: OpenAIEntry) -> None:
        self._entry = entry
        self._url = url_of(entry, "chat/completions")
        self._server = entry.base_url.host or ""
        self.models_url = url_of(entry, "models")
        self.continues_prefix = entry.continues_prefix

    def headers(self, key: str) -> Mapping[str, str]:
        return key_header(self._entry, key)

    def url(self, _model: str) -> httpx.URL:
        return self._url

    def answer(self, request: inference_pb2.GenerateRequest) -> ChatAnswer:
        return ChatAnswer([tool.name for tool in request.tools], self._source(request.model))

    def refused(self, request: inference_pb2.GenerateRequest) -> Collection[str]:
        return of_chat(request.model, self._entry.extra_body.get("reasoning_effort")) | _LACKS

    def extra_body(self, _request: inference_pb2.GenerateRequest) -> Mapping[str, Any]:
        return self._entry.extra_body

    def body(self, request: inference_pb2.GenerateRequest) -> dict[str, Any]:
        """Return the request's JSON body, streaming, with usage at the end; see WireFormat."""
        request = _telling(request)
        said: dict[str, Any] = {
            "model": request.model,
            "messages": list(openai_messages.messages(request, self._server, self._source(request.model))),
            "stream": True,
        }
        if self._entry.stream_usage:
            said["stream_options"] = {"include_usage": True}
        said |= self._sampling(request)
        if request.tools:
            said["tools"] = [{"type": "function", "function": _function(tool)} for tool in request.tools]
            if choice := TOOL_CHOICES.get(request.tool_choice):
                said["tool_choice"] = choice
        dialect = dialect_of(self._entry, request.model)
        if response_format := _response_format(request.response_format, dialect, request.model):
            said["response_format"] = response_format
        if request.prefix and self.continues_prefix:
            said["messages"].append({"role": "assistant", "content": request.prefix})
            said |= {"continue_final_message": True, "add_generation_prompt": False}
        return said

    def _source(self, model: str) -> str:
        return phrases.source(self._url, model)

    def _sampling(self, request: inference_pb2.GenerateRequest) -> dict[str, Any]:
        refused = self.refused(request)
        said: dict[str, Any] = phrases.numbers(request.sampling, _NUMBERS, refused)
        if "max_tokens" in said and self._longest_field(request.model) != "max_tokens":
            said["max_completion_tokens"] = said.pop("max_tokens")
        if "temperature" in said:
            said["temperature"] = min(said["temperature"], hottest(request.model))
        if "seed" in said and MISTRAL.match(request.model):
            # It has a name of its own for a seed, which is not negative, and refuses fields that it does not know.
            said["random_seed"] = int(said.pop("seed")) % _SEEDS
        stop = [] if "stop" in refused else request.sampling.stop[:_MOST_STOPS]
        return said | ({"stop": list(stop)} if stop else {})

    def _longest_field(self, model: str) -> str:
        if self._entry.max_tokens_field != "auto":
            return self._entry.max_tokens_field
        # Models that reason refuse max_tokens; servers other than OpenAI's know nothing else.
        return "max_completion_tokens" if REASONING_MODEL.match(model) else "max_tokens"


def url_of(entry: OpenAIEntry | OpenAIResponsesEntry, path: str) -> httpx.URL:
    """Return where `path` is, with Azure's version where one is set."""
    url = httpx.URL(f"{str(entry.base_url).rstrip('/')}/{path}")
    return url.copy_merge_params({"api-version": entry.api_version}) if entry.api_version else url


def key_header(entry: OpenAIEntry | OpenAIResponsesEntry, key: str) -> Mapping[str, str]:
    if not key:
        return {}
    return {"api-key": key} if entry.key_header == "api-key" else {"authorization": f"Bearer {key}"}


def _function(tool: chat_pb2.Tool) -> dict[str, Any]:
    return phrases.described(tool) | {"parameters": phrases.parameters(tool)}


def dialect_of(entry: OpenAIEntry | OpenAIResponsesEntry, model: str) -> Dialect:
    """Return which schemas are enforced: fewer of fine-tuned models, and on Azure."""
    is_azure = bool(entry.api_version) or entry.key_header == "api-key"
    return OPENAI_PLAIN if is_azure or model.startswith("ft:") else OPENAI


def named_schema(wanted: chat_pb2.ResponseFormat, dialect: Dialect) -> dict[str, Any]:
    """Return the schema of an answer as it is enforced, or as it is and not strict."""
    schema = phrases.answer_schema(wanted)
    strict = enforced(schema, dialect)
    said = {"name": wanted.json_schema.name or phrases.ANSWER, "schema": schema if strict is None else strict}
    return said | {"strict": strict is not None}


def _telling(request: inference_pb2.GenerateRequest) -> inference_pb2.GenerateRequest:
    """Return the request with all in its messages that has to be told there."""
    if request.response_format.HasField("json_schema") and _WITHOUT_SCHEMAS.fullmatch(request.model):
        return phrases.telling_form(request)
    return phrases.naming_json(request)


def _response_format(wanted: chat_pb2.ResponseFormat, dialect: Dialect, model: str) -> dict[str, Any] | None:
    match wanted.WhichOneof("format"):
        case "json_object":
            return {"type": "json_object"}
        case "json_schema" if _WITHOUT_SCHEMAS.fullmatch(model):
            return {"type": "json_object"}
        case "json_schema":
            return {"type": "json_schema", "json_schema": named_schema(wanted, dialect)}
    return None
