"""OpenAI's format, in and out, without a network."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.router.desk import user

from weft.common.v1 import chat_pb2, error_pb2
from weft.inference.v1 import inference_pb2
from weft.job.v1 import event_pb2
from weft_router.providers.event_stream import MAX_EVENT_BYTES, EventStream
from weft_router.providers.openai_answer import ChatAnswer
from weft_router.providers.openai_errors import error_in_stream, refusal, retry_after_s
from weft_router.providers.openai_request import body
from weft_router.providers.port import ProviderError, Remedy


def test_a_plain_request_says_nothing_that_was_not_asked() -> None:
    assert body(inference_pb2.GenerateRequest(model="m", messages=[user("Hi")])) == {
        "model": "m",
        "messages": [{"role": "user", "content": "Hi"}],
        "stream": True,
        "stream_options": {"include_usage": True},
    }


def test_sampling_is_passed_on_as_it_was_written() -> None:
    sampling = chat_pb2.SamplingParams(temperature=0.7, top_p=0.9, top_k=40, max_tokens=5, stop=["\n"], seed=7)
    said = body(inference_pb2.GenerateRequest(sampling=sampling))

    assert {key: said[key] for key in ("temperature", "top_p", "max_tokens", "stop", "seed")} == {
        "temperature": 0.7,
        "top_p": 0.9,
        "max_tokens": 5,
        "stop": ["\n"],
        "seed": 7,
    }
    assert "top_k" not in said


def test_a_temperature_of_zero_is_not_left_out() -> None:
    assert body(inference_pb2.GenerateRequest(sampling=chat_pb2.SamplingParams(temperature=0)))["temperature"] == 0


def test_a_conversation_with_tools_is_told_whole() -> None:
    call = chat_pb2.ToolCall(id="c1", name="weather", arguments_json='{"city": "Paris"}')
    asked = inference_pb2.GenerateRequest(
        messages=[
            chat_pb2.Message(role=chat_pb2.ROLE_ASSISTANT, tool_calls=[call]),
            chat_pb2.Message(role=chat_pb2.ROLE_TOOL, tool_call_id="c1", parts=[chat_pb2.ContentPart(text="Rain")]),
        ],
        tools=[chat_pb2.Tool(name="weather", description="Tells", parameters_schema='{"type": "object"}')],
        tool_choice=chat_pb2.TOOL_CHOICE_REQUIRED,
    )
    said = body(asked)

    function = {"name": "weather", "arguments": '{"city": "Paris"}'}
    assert said["messages"] == [
        {"role": "assistant", "content": None, "tool_calls": [{"id": "c1", "type": "function", "function": function}]},
        {"role": "tool", "content": "Rain", "tool_call_id": "c1"},
    ]
    tool = {"name": "weather", "description": "Tells", "parameters": {"type": "object"}}
    assert said["tools"] == [{"type": "function", "function": tool}]
    assert said["tool_choice"] == "required"


def test_a_schema_is_asked_for_strictly() -> None:
    schema = chat_pb2.JsonSchemaFormat(name="city", schema_json='{"type": "object"}')
    asked = inference_pb2.GenerateRequest(response_format=chat_pb2.ResponseFormat(json_schema=schema))

    assert body(asked)["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "city", "schema": {"type": "object"}, "strict": True},
    }


@pytest.mark.parametrize(
    "asked",
    [
        inference_pb2.GenerateRequest(messages=[chat_pb2.Message(role=99)]),  # type: ignore[arg-type]
        inference_pb2.GenerateRequest(messages=[chat_pb2.Message(role=2, parts=[chat_pb2.ContentPart()])]),
        inference_pb2.GenerateRequest(tools=[chat_pb2.Tool(name="t", parameters_schema="{")]),
    ],
)
def test_what_cannot_be_said_is_refused_rather_than_dropped(asked: inference_pb2.GenerateRequest) -> None:
    with pytest.raises(ProviderError) as failure:
        body(asked)

    assert failure.value.reason == error_pb2.ERROR_REASON_PROVIDER_REJECTED
    assert failure.value.remedy is Remedy.NOTHING


EVENTS = ["{}", '{"a": "Käuze 十二"}', "[DONE]"]


@given(st.sampled_from(["\n", "\r\n", "\r"]), st.integers(1, 80))
def test_events_are_the_same_wherever_their_bytes_are_cut(newline: str, size: int) -> None:
    raw = "".join(f": comment{newline}data: {data}{newline}{newline}" for data in EVENTS).encode()
    stream = EventStream()
    found = [data for start in range(0, len(raw), size) for data in stream.read(raw[start : start + size])]

    assert found + stream.end() == EVENTS


def test_an_event_that_never_ends_is_refused() -> None:
    stream = EventStream()
    piece = b"data: " + b"x" * 65536
    with pytest.raises(ProviderError, match="more than"):
        for _ in range(2 * MAX_EVENT_BYTES // len(piece)):
            stream.read(piece)


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


def test_an_end_without_a_finish_reason_is_a_failure() -> None:
    with pytest.raises(ProviderError, match="finish reason"):
        ChatAnswer().finish()


@pytest.mark.parametrize("data", ["", "[]", "1", "{}", '{"choices": 5}', '{"choices": [{"delta": {"content": 5}}]}'])
def test_what_is_no_chunk_is_a_failure(data: str) -> None:
    with pytest.raises(ProviderError) as failure:
        ChatAnswer().read(data)
    assert failure.value.reason == error_pb2.ERROR_REASON_PROVIDER_STREAM_BROKEN


def test_an_overloaded_provider_says_so_inside_its_stream() -> None:
    busy = error_in_stream({"type": "overloaded_error", "message": "Overloaded"})
    assert busy.reason == error_pb2.ERROR_REASON_PROVIDER_OVERLOADED


def test_a_quota_that_is_spent_is_not_waited_for() -> None:
    content = json.dumps({"error": {"message": "You exceeded your quota", "code": "insufficient_quota"}}).encode()
    assert refusal(429, {}, content).remedy is Remedy.ANOTHER_PROVIDER


def test_what_a_provider_says_about_a_bad_request_is_passed_on_but_not_about_keys() -> None:
    content = json.dumps({"error": {"message": "bad key sk-12…89"}}).encode()
    assert "bad key" in refusal(400, {}, content).message
    assert "sk-12" not in refusal(401, {}, content).message


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "30"}, 30),
        ({"retry-after-ms": "5000", "retry-after": "6"}, 5),
        ({"retry-after": "Thu, 01 Jan 1970 00:00:30 GMT"}, 10),
        ({"retry-after": "Thu, 01 Jan 1970 00:00:00 GMT"}, 0),
        ({"retry-after": "soon"}, None),
    ],
)
def test_retry_after_is_read_in_every_form(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after_s(headers, now_unix_s=20) == seconds
