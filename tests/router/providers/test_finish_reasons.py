"""What providers' words for the end of an answer mean."""

import pytest

from weft.common.v1 import chat_pb2
from weft_router.providers.finish_reasons import is_failure, meaning, said

STOP, LENGTH = chat_pb2.FINISH_REASON_STOP, chat_pb2.FINISH_REASON_LENGTH
CALLS, FILTER = chat_pb2.FINISH_REASON_TOOL_CALLS, chat_pb2.FINISH_REASON_CONTENT_FILTER
UNKNOWN = chat_pb2.FINISH_REASON_UNSPECIFIED

MEANINGS = {
    # platform.openai.com/docs/api-reference/chat/streaming; also Azure, vLLM, SGLang, llama.cpp, Ollama, Groq, xAI,
    # Fireworks and Moonshot
    "stop": STOP,
    "length": LENGTH,
    "tool_calls": CALLS,
    "function_call": CALLS,
    "content_filter": FILTER,
    # platform.openai.com/docs/api-reference/responses
    "completed": STOP,
    "max_output_tokens": LENGTH,
    # docs.claude.com/en/api/handling-stop-reasons
    "end_turn": STOP,
    "stop_sequence": STOP,
    "max_tokens": LENGTH,
    "model_context_window_exceeded": LENGTH,
    "tool_use": CALLS,
    "refusal": FILTER,
    # ai.google.dev/api/generate-content#FinishReason
    "STOP": STOP,
    "MAX_TOKENS": LENGTH,
    "SAFETY": FILTER,
    "RECITATION": FILTER,
    "LANGUAGE": FILTER,
    "BLOCKLIST": FILTER,
    "PROHIBITED_CONTENT": FILTER,
    "SPII": FILTER,
    "IMAGE_SAFETY": FILTER,
    "IMAGE_PROHIBITED_CONTENT": FILTER,
    "IMAGE_RECITATION": FILTER,
    # docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html
    "guardrail_intervened": FILTER,
    "content_filtered": FILTER,
    # TGI, by huggingface.co/docs/text-generation-inference
    "eos_token": STOP,
    # Together, by openai/openai-dotnet#267
    "eos": STOP,
    # Mistral, by docs.mistral.ai/api
    "model_length": LENGTH,
    # Cohere, by docs.cohere.com/reference/chat,
    "COMPLETE": STOP,
    "TOOL_CALL": CALLS,
    "ERROR_LIMIT": LENGTH,
    "ERROR_TOXIC": FILTER,
    # Zhipu, by docs.bigmodel.cn
    "sensitive": FILTER,
    # lmstudio.ai/docs/typescript/api-reference/llm-prediction-stop-reason
    "eosFound": STOP,
    "stopStringFound": STOP,
    "maxPredictedTokensReached": LENGTH,
    "contextLengthReached": LENGTH,
    # Spellings of SDKs that proxies put on the wire (strandsagents.com/docs/api/typescript/StopReason,
    # googleapis/python-genai)
    "endTurn": STOP,
    "toolUse": CALLS,
    "tool-calls": CALLS,
    "content-filter": FILTER,
    "FinishReason.STOP": STOP,
    "FINISH_REASON_MAX_TOKENS": LENGTH,
}

FAILURES = [
    "abort",  # vllm-project/vllm#57082
    "error",  # vLLM, Mistral, OpenRouter; damianvtran/local-operator#223
    "repetition",  # vLLM's vllm/v1/engine FinishReason
    "cancelled",  # platform.openai.com/docs/api-reference/responses, status
    "canceled",
    "incomplete",
    "failed",
    "insufficient_system_resource",  # api-docs.deepseek.com/api/create-chat-completion
    "network_error",  # docs.bigmodel.cn (Zhipu)
    "malformed_model_output",  # Bedrock's Converse
    "malformed_tool_use",
    "MALFORMED_FUNCTION_CALL",  # ai.google.dev/api/generate-content#FinishReason
    "MALFORMED_RESPONSE",
    "UNEXPECTED_TOOL_CALL",
    "TOO_MANY_TOOL_CALLS",
    "MISSING_THOUGHT_SIGNATURE",
    "ERROR",  # docs.cohere.com/reference/chat
    "TIMEOUT",
    "USER_CANCEL",
    "modelUnloaded",  # LM Studio
    "NOT_FINISHED",  # watsonx.ai
    "time_limit",
    "max_time",
    "rate_limit",
    "request_rejected",
    # NousResearch/hermes-agent#11171: Gemini's, by its server of OpenAI's format
    "function_call_filter: MALFORMED_FUNCTION_CALL",
    "function_call_filter: UNEXPECTED_TOOL_CALL",
    "engine_timed_out",  # of servers' own making
    "upstream-disconnected",
    "InternalServerError",
]


@pytest.mark.parametrize("word", MEANINGS)
def test_a_good_reason_means_the_same_in_whatever_format_it_is_said(word: str) -> None:
    assert meaning(word) == MEANINGS[word]
    assert not is_failure(word)


@pytest.mark.parametrize("word", FAILURES)
def test_a_reason_that_means_failure_is_told_from_one_that_is_not_known(word: str) -> None:
    assert is_failure(word)
    assert meaning(word) == UNKNOWN


@pytest.mark.parametrize(
    "word",
    [
        "",
        "pause_turn",  # docs.claude.com/en/api/handling-stop-reasons
        "compaction",
        "OTHER",
        "FINISH_REASON_UNSPECIFIED",  # ai.google.dev/api/generate-content#FinishReason: unused
        "other",  # ai-sdk.dev, for what it does not know
        "<|im_end|>",  # vespa-engine/vespa#33327: Together passes on the token that stopped it
        "7",
    ],
)
def test_a_reason_that_is_not_known_is_neither_good_nor_a_failure(word: str) -> None:
    assert meaning(word) == UNKNOWN
    assert not is_failure(word)


@pytest.mark.parametrize(
    ("told", "word"),
    [
        (None, None),
        ("null", ""),  # DashScope's own format, while the model speaks
        ("", ""),
        ({"type": "length", "length": 9}, "length"),  # sgl-project/sglang, meta_info.finish_reason
        (1, "1"),  # the numbers of Gemini's enum, from proxies of its SDK
        ("x" * 100_000, "x" * 64),
    ],
)
def test_a_reason_is_read_in_whatever_form_it_comes(told: object, word: str | None) -> None:
    assert said(told) == word
