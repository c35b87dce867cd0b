"""Answers in Anthropic's format, without a network: texts, calls, and why they end.

Their events are those of docs.claude.com/en/docs/build-with-claude/streaming.
"""

import json
from typing import Any

import pytest
from tests.router.recorded import Whole, read

from weft.common.v1 import chat_pb2, error_pb2
from weft.inference.v1 import inference_pb2
from weft_kit.catalog.providers import AnthropicEntry
from weft_router.providers.anthropic.messages import Messages
from weft_router.providers.anthropic.messages_answer import MessagesAnswer
from weft_router.providers.provider import ProviderError


def text_answer(*texts: str, prefix: str) -> str:
    asked = inference_pb2.GenerateRequest(prefix=prefix)
    entry = AnthropicEntry.model_validate({"kind": "anthropic", "continues_prefix": True})
    reader = Messages(entry).answer(asked)
    for text in texts:
        delta = {"type": "text_delta", "text": text}
        reader.read(json.dumps({"type": "content_block_delta", "index": 0, "delta": delta}))
    said = reader.take()
    return said.text if said else ""


@pytest.mark.parametrize(
    ("prefix", "texts", "said"),
    [
        ("Once upon ", [" a", " time"], "a time"),
        ("Once upon \n", [" ", "\na time"], "a time"),
        ("Once upon \n", [" a time"], "a time"),
        ("Once upon", [" a time"], " a time"),
        ("Once upon ", ["a time"], "a time"),
    ],
)
def test_white_space_that_was_said_is_not_said_again(prefix: str, texts: list[str], said: str) -> None:
    assert text_answer(*texts, prefix=prefix) == said


def test_an_overloaded_provider_says_so_inside_its_stream() -> None:
    with pytest.raises(ProviderError) as failure:
        MessagesAnswer().read('{"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}')

    assert failure.value.reason == error_pb2.ERROR_REASON_PROVIDER_OVERLOADED


def test_an_end_without_a_reason_is_a_failure() -> None:
    reader = MessagesAnswer()
    assert reader.read('{"type": "message_stop"}')
    with pytest.raises(ProviderError, match="finish reason"):
        reader.finish()


def answered(*events: dict[str, Any], reason: object = "tool_use") -> Whole:
    end = ({"type": "message_delta", "delta": {"stop_reason": reason}}, {"type": "message_stop"})
    return read(MessagesAnswer(), [b"data: " + json.dumps(event).encode() + b"\n\n" for event in (*events, *end)])


def begins(index: int, **block: object) -> dict[str, Any]:
    return {"type": "content_block_start", "index": index, "content_block": {"type": "tool_use"} | block}


def grows(index: int, partial_json: object) -> dict[str, Any]:
    delta = {"type": "input_json_delta", "partial_json": partial_json}
    return {"type": "content_block_delta", "index": index, "delta": delta}


@pytest.mark.parametrize(
    "events",
    [
        [begins(0, id="t", name="f", input={}), grows(0, ""), grows(0, '{"k": '), grows(0, "1}")],
        # Yeachan-Heo/gajae-code#1895: all of the input where the block begins
        [begins(0, id="t", name="f", input={"k": 1})],
        # … and in pieces once more
        [begins(0, id="t", name="f", input={"k": 1}), grows(0, '{"k": '), grows(0, "1}")],
        [begins(0, id="t", name="f", input={"k": 1}), grows(0, ""), grows(0, '{"k":1}')],
        [begins(0, id="t", name="f", input='{"k": 1}')],
        [begins(0, id="t", name="f"), grows(0, {"k": 1})],
    ],
)
def test_a_calls_input_is_read_once_wherever_it_stands(events: list[dict[str, Any]]) -> None:
    [call] = answered(*events).said.tool_calls
    assert (call.id, call.name, json.loads(call.arguments_json)) == ("t", "f", {"k": 1})


@pytest.mark.parametrize("ids", [("a", "b"), ("a", "a"), ("", None)])
@pytest.mark.parametrize("indexes", [(0, 1), (0, 0)])
def test_parallel_calls_have_ids_of_their_own(ids: tuple[str, str | None], indexes: tuple[int, int]) -> None:
    events = [
        event
        for index, call_id, value in zip(indexes, ids, "12", strict=True)
        for event in (begins(index, id=call_id, name="f", input={}), grows(index, value))
    ]
    first, second = answered(*events).said.tool_calls
    assert (first.arguments_json, second.arguments_json) == ("1", "2")
    assert first.id
    assert first.id != second.id


def test_a_call_without_a_name_is_told_as_such() -> None:
    assert answered(begins(0, id="t")).said.broken_call() is not None


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        # docs.claude.com/en/api/handling-stop-reasons
        ("end_turn", chat_pb2.FINISH_REASON_STOP),
        ("stop_sequence", chat_pb2.FINISH_REASON_STOP),
        ("max_tokens", chat_pb2.FINISH_REASON_LENGTH),
        ("model_context_window_exceeded", chat_pb2.FINISH_REASON_LENGTH),
        ("tool_use", chat_pb2.FINISH_REASON_TOOL_CALLS),
        ("refusal", chat_pb2.FINISH_REASON_CONTENT_FILTER),
        ("pause_turn", chat_pb2.FINISH_REASON_UNSPECIFIED),
        # Servers that speak the format pass on the words of another
        ("stop", chat_pb2.FINISH_REASON_STOP),
        ("length", chat_pb2.FINISH_REASON_LENGTH),
        ("abort", chat_pb2.FINISH_REASON_UNSPECIFIED),
    ],
)
def test_each_stop_reason_has_its_meaning(word: str, reason: chat_pb2.FinishReason.ValueType) -> None:
    finished = answered(reason=word).finished
    assert finished is not None
    assert (finished.finish_reason, finished.raw_finish_reason) == (reason, word)


@pytest.mark.parametrize("word", [None, "", "null"])
def test_an_end_whose_reason_is_null_is_a_failure(word: str | None) -> None:
    """The documentation has it null only before the end; where a server stood between, the model's end is unknown."""
    with pytest.raises(ProviderError, match="finish reason"):
        answered(reason=word)
