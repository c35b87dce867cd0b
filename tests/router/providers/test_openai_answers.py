"""Answers in OpenAI's format, without a network: texts, refusals, and how they end.

Their chunks are those of platform.openai.com/docs/api-reference/chat, but where another source is named.
"""

import json
from typing import Any

import pytest

from weft.common.v1 import chat_pb2, error_pb2
from weft.job.v1 import event_pb2
from weft_router.providers.openai.chat_answer import ChatAnswer
from weft_router.providers.provider import ProviderError


def chunk(delta: dict[str, object], finish_reason: str | None = None, index: int = 0) -> str:
    return json.dumps({"choices": [{"index": index, "delta": delta, "finish_reason": finish_reason}]})


def test_tokens_of_several_events_are_taken_together() -> None:
    answer = ChatAnswer()
    for text in ("One ", "two"):
        answer.read(chunk({"content": text}))

    assert answer.take() == event_pb2.Delta(text="One two", token_count=2)
    assert answer.take() is None


def test_only_the_first_choice_is_read() -> None:
    answer = ChatAnswer()
    answer.read(chunk({"content": "other"}, index=1))
    assert answer.take() is None


def test_a_refusal_is_text_that_nobody_takes_for_the_answer() -> None:
    answer = ChatAnswer()
    answer.read(chunk({"refusal": "I cannot."}, "stop"))

    assert answer.take() == event_pb2.Delta(text="I cannot.", token_count=1)
    assert answer.finish().finish_reason == chat_pb2.FINISH_REASON_CONTENT_FILTER


def test_tool_calls_that_end_with_stop_are_still_tool_calls() -> None:
    answer = ChatAnswer()
    answer.read(chunk({"tool_calls": [{"index": 0, "id": "c", "function": {"name": "f", "arguments": ""}}]}, "stop"))
    assert answer.finish().finish_reason == chat_pb2.FINISH_REASON_TOOL_CALLS


@pytest.mark.parametrize(
    ("words", "reason", "word"),
    [
        (["stop"], chat_pb2.FINISH_REASON_STOP, "stop"),
        ([None, "STOP"], chat_pb2.FINISH_REASON_STOP, "STOP"),  # Gemini's word, of servers that pass it on
        (["", "end_turn"], chat_pb2.FINISH_REASON_STOP, "end_turn"),  # vercel/modelfusion#343 (OpenRouter)
        (["eos"], chat_pb2.FINISH_REASON_STOP, "eos"),  # openai/openai-dotnet#267 (Together)
        (["stop", ""], chat_pb2.FINISH_REASON_STOP, "stop"),
        (["abort"], chat_pb2.FINISH_REASON_UNSPECIFIED, "abort"),  # vllm-project/vllm#57082
        ([""], chat_pb2.FINISH_REASON_UNSPECIFIED, ""),  # an end that is told without a word
        (["<|im_end|>"], chat_pb2.FINISH_REASON_UNSPECIFIED, "<|im_end|>"),  # vespa-engine/vespa#33327 (Together)
        ([{"type": "length"}], chat_pb2.FINISH_REASON_LENGTH, "length"),  # SGLang's own
    ],
)
def test_the_finish_reason_is_the_last_that_was_told(
    words: list[Any], reason: chat_pb2.FinishReason.ValueType, word: str
) -> None:
    answer = ChatAnswer()
    for one in words:
        answer.read(chunk({"content": "a"}, one))
    finished = answer.finish()
    assert (finished.finish_reason, finished.raw_finish_reason) == (reason, word)


def test_the_word_of_the_server_behind_counts_where_it_means_failure() -> None:
    """openrouter.ai/docs/api-reference/overview: `native_finish_reason`."""
    for native, word in (("MALFORMED_FUNCTION_CALL", "MALFORMED_FUNCTION_CALL"), ("STOP", "stop"), (None, "stop")):
        answer = ChatAnswer()
        choice = {"delta": {"content": "a"}, "finish_reason": "stop", "native_finish_reason": native}
        answer.read(json.dumps({"choices": [choice]}))
        assert answer.finish().raw_finish_reason == word


def test_a_refusal_that_breaks_off_is_not_taken_for_one() -> None:
    answer = ChatAnswer()
    answer.read(chunk({"refusal": "I can"}, "error"))
    assert answer.finish().finish_reason == chat_pb2.FINISH_REASON_UNSPECIFIED


def test_an_end_without_a_finish_reason_is_a_failure() -> None:
    with pytest.raises(ProviderError, match="finish reason"):
        ChatAnswer().finish()


@pytest.mark.parametrize("data", ["{", "not JSON", '{"choices": 5}', '{"choices": [{"delta": {"content": 5}}]}'])
def test_what_is_no_chunk_is_a_failure(data: str) -> None:
    with pytest.raises(ProviderError) as failure:
        ChatAnswer().read(data)
    assert failure.value.reason == error_pb2.ERROR_REASON_PROVIDER_STREAM_BROKEN


@pytest.mark.parametrize(
    "data", ['{"error": {"message": "m", "type": "server_error"}, "choices": []}', '{"object": "error"}']
)
def test_an_error_object_inside_a_stream_is_a_failure(data: str) -> None:
    with pytest.raises(ProviderError) as failure:
        ChatAnswer().read(data)
    assert failure.value.reason == error_pb2.ERROR_REASON_PROVIDER_ERROR
