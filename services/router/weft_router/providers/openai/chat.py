"""OpenAI's chat completions, as OpenAI, Azure, vLLM, Ollama, Groq, OpenRouter and many others speak them."""

import re
from collections.abc import Collection, Mapping
from typing import Any

import httpx

from weft.common.v1 import chat_pb2
from weft.inference.v1 import inference_pb2
from weft_kit.catalog.providers import OpenAIEntry, OpenAIResponsesEntry
from weft_router.providers import encoding, model_names
from weft_router.providers.openai import messages
from weft_router.providers.openai.chat_answer import ChatAnswer
from weft_router.providers.openai.moonshot_schema import flavored
from weft_router.providers.refused_sampling import hottest, of_chat
from weft_router.providers.schemas.strict_schema import (
    OPENAI,
    OPENAI_PLAIN,
    Dialect,
    enforced,
    is_object,
    with_root,
)
from weft_router.providers.tool_names import NAME, NAME_WITH_LETTER

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
_SHORT_STOP_BYTES = 32
_SEEDS = 2**63
# agno-agi/agno#1065: "response_format json_object cannot be combined with tool/function calling"
_NO_FORM_BESIDE_TOOLS = ("api.groq.com",)
_THINKING = ("thinking", "reasoning_effort")


class ChatCompletions:
    """The format, in the variant of one server."""

    def __init__(self, entry: OpenAIEntry) -> None:
        self._entry = entry
        self._url = url_of(entry, "chat/completions")
        self._address, self._server = str(self._url), entry.base_url.host or ""
        self.models_url = url_of(entry, "models")
        self.continues_prefix = entry.continues_prefix

    def headers(self, key: str) -> Mapping[str, str]:
        return key_header(self._entry, key)

    def url(self, _model: str) -> httpx.URL:
        return self._url

    def tool_name(self, model: str) -> re.Pattern[str]:
        return NAME_WITH_LETTER if model_names.MOONSHOTS_OWN.match(model) else NAME

    def answer(self, request: inference_pb2.GenerateRequest) -> ChatAnswer:
        return ChatAnswer([tool.name for tool in request.tools], self._source(request.model))

    def refused(self, request: inference_pb2.GenerateRequest) -> Collection[str]:
        refused = of_chat(request.model, self._entry.extra_body.get("reasoning_effort")) | _LACKS
        return refused | {"thinking"} if _must_not_think(request) else refused

    def fitted(self, request: inference_pb2.GenerateRequest) -> Mapping[str, float]:
        given, fitted = request.sampling, {}
        if given.temperature > (highest := hottest(request.model)):
            fitted["temperature"] = highest
        if given.seed < 0 and self._is_mistrals(request.model):
            fitted["seed"] = given.seed % _SEEDS
        return fitted

    def extra_body(self, request: inference_pb2.GenerateRequest) -> Mapping[str, Any]:
        extra = self._entry.extra_body
        if _must_not_think(request):
            return {name: value for name, value in extra.items() if name not in _THINKING}
        return extra

    def body(self, request: inference_pb2.GenerateRequest) -> dict[str, Any]:
        """Returns the request's JSON body, streaming, with usage at the end; see WireFormat."""
        request, response_format = self._with_form(request)
        said: dict[str, Any] = {
            "model": request.model,
            "messages": list(messages.messages(request, self._server, self._source(request.model))),
            "stream": True,
        }
        # Mistral always sends usage, and refuses this field.
        if self._entry.stream_usage and not self._is_mistrals(request.model):
            said["stream_options"] = {"include_usage": True}
        said |= self._sampling(request)
        if request.tools:
            said["tools"] = [{"type": "function", "function": _function(tool, request.model)} for tool in request.tools]
            if choice := TOOL_CHOICES.get(request.tool_choice):
                said["tool_choice"] = choice
        if _must_not_think(request):
            said["thinking"] = {"type": "disabled"}
        if response_format:
            said["response_format"] = response_format
        if request.prefix and self.continues_prefix:
            said["messages"].append({"role": "assistant", "content": request.prefix})
            said |= {"continue_final_message": True, "add_generation_prompt": False}
        return said

    def _source(self, model: str) -> str:
        return encoding.source(self._address, model)

    def _sampling(self, request: inference_pb2.GenerateRequest) -> dict[str, Any]:
        refused = self.refused(request)
        said: dict[str, Any] = encoding.numbers(request.sampling, _NUMBERS, refused, self.fitted(request))
        if "max_tokens" in said and self._longest_field(request.model) != "max_tokens":
            said["max_completion_tokens"] = said.pop("max_tokens")
        if "seed" in said and self._is_mistrals(request.model):
            # Mistral has its own name for a seed, which must not be negative, and refuses unknown fields.
            said["random_seed"] = said.pop("seed")
        stop = [] if "stop" in refused else _stops(request)[:_MOST_STOPS]
        return said | ({"stop": stop} if stop else {})

    def _is_mistrals(self, model: str) -> bool:
        return self._server.endswith("mistral.ai") or model_names.MISTRALS_OWN.match(model) is not None

    def _with_form(
        self, request: inference_pb2.GenerateRequest
    ) -> tuple[inference_pb2.GenerateRequest, dict[str, Any] | None]:
        """Returns the request, with its format in words if it has to be, and the field that enforces the format."""
        wanted, model = request.response_format, request.model
        schema = encoding.answer_schema(wanted)
        is_beside = bool(request.tools) and self._server in _NO_FORM_BESIDE_TOOLS
        match wanted.WhichOneof("format"):
            case None:
                return request, None
            case _ if is_beside or is_told(schema, self._entry, model):
                return encoding.telling_form(request), None
            case "json_object":
                return encoding.naming_json(request), {"type": "json_object"}
            case "json_schema" if model_names.WITHOUT_SCHEMAS.fullmatch(model):
                return encoding.telling_form(request), {"type": "json_object"} if is_object(schema) else None
        named = named_schema(wanted.json_schema.name, schema, dialect_of(self._entry, model))
        return request, {"type": "json_schema", "json_schema": named}

    def _longest_field(self, model: str) -> str:
        if self._entry.max_tokens_field != "auto":
            return self._entry.max_tokens_field
        # Models that reason refuse max_tokens; servers other than OpenAI's know no other field.
        return "max_completion_tokens" if model_names.NEEDS_COMPLETION_TOKENS.match(model) else "max_tokens"


def url_of(entry: OpenAIEntry | OpenAIResponsesEntry, path: str) -> httpx.URL:
    """Returns the URL of `path`, with Azure's API version if one is set."""
    url = httpx.URL(f"{str(entry.base_url).rstrip('/')}/{path}")
    return url.copy_merge_params({"api-version": entry.api_version}) if entry.api_version else url


def key_header(entry: OpenAIEntry | OpenAIResponsesEntry, key: str) -> Mapping[str, str]:
    if not key:
        return {}
    return {"api-key": key} if entry.key_header == "api-key" else {"authorization": f"Bearer {key}"}


def _function(tool: chat_pb2.Tool, model: str) -> dict[str, Any]:
    parameters = encoding.parameters(tool)
    if model_names.MOONSHOTS_OWN.match(model):
        parameters = flavored(parameters)
    return encoding.described(tool) | {"parameters": parameters}


def dialect_of(entry: OpenAIEntry | OpenAIResponsesEntry, model: str) -> Dialect:
    """Returns which schemas are enforced: fewer for fine-tuned models and on Azure."""
    return OPENAI_PLAIN if _is_azure(entry) or model.startswith("ft:") else OPENAI


def is_told(schema: Any, entry: OpenAIEntry | OpenAIResponsesEntry, model: str) -> bool:
    """Returns whether a schema has to be put into words: OpenAI's models accept only schemas of objects."""
    is_openais = _is_azure(entry) or model_names.OPENAI.match(model) is not None
    return is_openais and schema is not None and not is_object(schema)


def named_schema(name: str, schema: Any, dialect: Dialect) -> dict[str, Any]:
    """Returns the schema of an answer in its enforced form; if it has none, as it is and not strict."""
    strict = enforced(schema, dialect)
    loose = with_root(schema) if isinstance(schema, dict) else schema
    said = {"name": name or encoding.ANSWER, "schema": loose if strict is None else strict}
    return said | {"strict": strict is not None}


def _is_azure(entry: OpenAIEntry | OpenAIResponsesEntry) -> bool:
    return bool(entry.api_version) or entry.key_header == "api-key"


def _must_not_think(request: inference_pb2.GenerateRequest) -> bool:
    must_call = bool(request.tools) and request.tool_choice == chat_pb2.TOOL_CHOICE_REQUIRED
    return must_call and model_names.THINKS_OR_MUST_CALL.match(request.model) is not None


def _stops(request: inference_pb2.GenerateRequest) -> list[str]:
    stops = list(request.sampling.stop)
    if not model_names.MOONSHOTS_OWN.match(request.model):
        return stops
    return [text for text in stops if len(text.encode()) <= _SHORT_STOP_BYTES]
