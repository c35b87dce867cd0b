"""The meaning of providers' finish reasons."""

import re
from functools import lru_cache
from typing import Any

from weft.common.v1 import chat_pb2
from weft_router.providers import encoding

# Servers and proxies use words of other formats, in upper or lower case, so one table serves them all.
_STOP = (
    "stop",  # OpenAI, vLLM, SGLang, llama.cpp, Ollama, Gemini's STOP
    "end_turn",  # Anthropic, Bedrock, and OpenRouter for Claude (vercel/modelfusion#343)
    "stop_sequence",  # Anthropic, Bedrock, TGI
    "eos",  # Together, Groq (openai/openai-dotnet#267)
    "eos_token",  # TGI, watsonx
    "eos_found",  # LM Studio
    "stop_string_found",  # LM Studio
    "complete",  # Cohere
    "completed",  # OpenAI's Responses
    "finish",  # Titan on Bedrock
)
_LENGTH = (
    "length",  # OpenAI, vLLM, SGLang, llama.cpp, Ollama, TGI
    "max_tokens",  # Anthropic, Bedrock, Gemini, Cohere
    "max_output_tokens",  # OpenAI's Responses
    "model_length",  # Mistral
    "model_context_window_exceeded",  # Anthropic, Zhipu (anomalyco/opencode#18918)
    "max_predicted_tokens_reached",  # LM Studio
    "context_length_reached",  # LM Studio
    "error_limit",  # Cohere: the context is full
    "token_limit",  # watsonx: the model's own
)
_TOOL_CALLS = (
    "tool_calls",  # OpenAI, vLLM, Mistral, DeepSeek
    "tool_call",  # Cohere's TOOL_CALL
    "tool_use",  # Anthropic, Bedrock
    "function_call",  # OpenAI, before there were tools
)
_WITHHELD = (
    "content_filter",  # OpenAI, Azure, DeepSeek
    "content_filtered",  # Bedrock
    "guardrail_intervened",  # Bedrock
    "refusal",  # Anthropic
    "sensitive",  # Zhipu
    "error_toxic",  # Cohere
    # Gemini
    *("safety", "recitation", "language", "blocklist", "prohibited_content", "spii"),
    *("image_safety", "image_prohibited_content", "image_recitation"),
)
_MEANINGS = {
    **dict.fromkeys(_STOP, chat_pb2.FINISH_REASON_STOP),
    **dict.fromkeys(_LENGTH, chat_pb2.FINISH_REASON_LENGTH),
    **dict.fromkeys(_TOOL_CALLS, chat_pb2.FINISH_REASON_TOOL_CALLS),
    **dict.fromkeys(_WITHHELD, chat_pb2.FINISH_REASON_CONTENT_FILTER),
}

_FAILURES = frozenset(
    {
        "repetition",  # vLLM: the model repeats itself
        *("not_finished", "time_limit"),  # watsonx
        "max_time",  # transformers serve: its `max_time` is over
        "rate_limit",
        "function_call_filter",  # first word of Gemini's server of OpenAI's format (NousResearch/hermes-agent#11171)
        # Gemini
        *("too_many_tool_calls", "unexpected_tool_call", "missing_thought_signature"),
    }
)
# The servers' words for giving up cannot all be listed, but they contain these.
_WORDS_OF_FAILURE = frozenset(
    {
        *("error", "errored", "fail", "failed", "failure", "exception", "fault", "crashed", "killed", "panic"),
        *("abort", "aborted", "cancel", "canceled", "cancelled", "interrupted", "preempted", "disconnect"),
        *(
            "disconnected",
            "timeout",
            "timed",
            "expired",
            "malformed",
            "invalid",
            "incomplete",
            "insufficient",
            "exhausted",
            "rejected",
            "throttled",
        ),
        *("overloaded", "unavailable", "shutdown", "unloaded", "terminated"),
    }
)

_LONGEST = 64
_NOTHING = ("", "null", "none")
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_BETWEEN = re.compile(r"[^a-z0-9]+")


def said(value: Any) -> str | None:
    """Returns a finish reason as a word; None if there is none yet, and "" if it is present but empty.

    SGLang's is an object, `{"type": "stop", "matched": 2}`.
    """
    if isinstance(value, dict):
        value = value.get("type")
    if value is None:
        return None
    word = value if isinstance(value, str) else encoding.json_text(value)
    return "" if word.lower() in _NOTHING else word[:_LONGEST]


def meaning(word: str) -> chat_pb2.FinishReason.ValueType:
    """Returns the meaning of a word of any format; UNSPECIFIED if it is unknown or says that the answer failed."""
    return _MEANINGS.get(_plain(word), chat_pb2.FINISH_REASON_UNSPECIFIED)


def is_failure(word: str) -> bool:
    """Returns whether a word says that the provider abandoned the answer."""
    plain = _plain(word)
    if plain in _MEANINGS:
        return False
    return any(failure in plain for failure in _FAILURES) or not _WORDS_OF_FAILURE.isdisjoint(plain.split("_"))


def tells_more(native: str) -> bool:
    """Returns whether the finish reason of a server behind a proxy says more than the proxy's plain STOP."""
    return is_failure(native) or meaning(native) in (
        chat_pb2.FINISH_REASON_LENGTH,
        chat_pb2.FINISH_REASON_CONTENT_FILTER,
    )


@lru_cache(256)
def _plain(word: str) -> str:
    """Returns a word in snake case: MAX_TOKENS, maxTokens and FinishReason.MAX_TOKENS become max_tokens."""
    parted = _HUMP.sub("_", word[:_LONGEST]).lower()
    return _BETWEEN.sub("_", parted).strip("_").removeprefix("finish_reason_")
