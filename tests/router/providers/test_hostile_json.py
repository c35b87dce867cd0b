"""JSON that is valid and that few can read, on its way to a provider and back: refused or passed on, never our bug."""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from pydantic_core import to_json
from tests.router.chat import says, user
from tests.router.wire_formats import FORMATS

from weft.common.v1 import chat_pb2, error_pb2
from weft.inference.v1 import inference_pb2
from weft_router.providers.anthropic.messages_answer import MessagesAnswer
from weft_router.providers.gemini.answer import GenerateContentAnswer
from weft_router.providers.openai.chat_answer import ChatAnswer
from weft_router.providers.openai.responses_answer import ResponsesAnswer
from weft_router.providers.provider import ProviderError, Remedy
from weft_router.providers.stream_reader import Answer

HOSTILE = {
    "130 levels": '{"a": ' * 130 + "1" + "}" * 130,
    "100,000 levels": '{"a": ' * 100_000 + "1" + "}" * 100_000,
    "open levels": "[" * 100_000,
    "half a pair": '{"a": "\\ud800"}',
    "half a pair in a name": '{"\\udfff": 1}',
    "digits": '{"a": ' + "9" * 5000 + "}",
    "no number": '{"a": [NaN, -Infinity, 1e999]}',
}


def asked_with(text: str) -> dict[str, inference_pb2.GenerateRequest]:
    call = chat_pb2.ToolCall(id="c", name="f", arguments_json=text)
    state = chat_pb2.ToolCall(id="c", name="f", arguments_json="{}", provider_state=text)
    form = chat_pb2.ResponseFormat(json_schema=chat_pb2.JsonSchemaFormat(name="n", schema_json=text))
    return {
        "arguments": inference_pb2.GenerateRequest(
            messages=[says(chat_pb2.ROLE_ASSISTANT, "I call.", tool_calls=[call])]
        ),
        "state": inference_pb2.GenerateRequest(messages=[says(chat_pb2.ROLE_ASSISTANT, "I call.", tool_calls=[state])]),
        "result": inference_pb2.GenerateRequest(
            messages=[
                says(chat_pb2.ROLE_ASSISTANT, "I call.", tool_calls=[chat_pb2.ToolCall(id="c", name="f")]),
                says(chat_pb2.ROLE_TOOL, text, tool_call_id="c"),
            ]
        ),
        "parameters": inference_pb2.GenerateRequest(
            messages=[user("Hi")], tools=[chat_pb2.Tool(name="f", parameters_schema=text)]
        ),
        "schema": inference_pb2.GenerateRequest(messages=[user("Hi")], response_format=form),
    }


def came_of(call: Callable[[], Any]) -> Any:
    """Returns what a call returns, or the failure it ends with."""
    try:
        return call()
    except ProviderError as failure:
        return failure


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("kind", FORMATS)
def test_what_goes_to_a_provider_is_written_or_refused_for_good(kind: str, name: str) -> None:
    for request in asked_with(HOSTILE[name]).values():
        match came_of(lambda asked=request: FORMATS[kind].body(asked)):
            case ProviderError() as refused:
                assert (refused.reason, refused.remedy) == (error_pb2.ERROR_REASON_PROVIDER_REJECTED, Remedy.NOTHING)
            case body:
                json.loads(to_json(body))


def events_with(arguments: str) -> dict[str, tuple[Answer, list[Any]]]:
    """Returns a call with these arguments as each format tells it: as text, and as what it stands for."""
    function = {"name": "f", "arguments": arguments}
    delta = {"tool_calls": [{"index": 0, "id": "c", "function": function}]}
    begun = {"type": "content_block_start", "index": 0, "content_block": {"type": "tool_use", "id": "c", "name": "f"}}
    grown = {"type": "input_json_delta", "partial_json": arguments}
    item = {"type": "function_call", "call_id": "c", "name": "f"}
    return {
        "openai": (ChatAnswer(), [{"choices": [{"delta": delta}]}]),
        "anthropic": (MessagesAnswer(), [begun, {"type": "content_block_delta", "index": 0, "delta": grown}]),
        "responses": (
            ResponsesAnswer(),
            [
                {"type": "response.output_item.added", "output_index": 0, "item": item},
                {"type": "response.function_call_arguments.delta", "output_index": 0, "delta": arguments},
            ],
        ),
    }


@pytest.mark.parametrize("name", HOSTILE)
def test_arguments_that_come_as_text_are_passed_on(name: str) -> None:
    for answer, events in events_with(HOSTILE[name]).values():
        for event in events:
            assert not answer.read(json.dumps(event))
        said = answer.take()
        assert said
        assert "".join(call.arguments_json for call in said.tool_calls) == HOSTILE[name]


@pytest.mark.parametrize("name", HOSTILE)
def test_arguments_that_come_as_what_they_stand_for_are_whole_json_or_broken(name: str) -> None:
    part = '{"functionCall": {"name": "f", "args": ' + HOSTILE[name] + "}}"
    event = '{"candidates": [{"content": {"parts": [' + part + ']}, "finishReason": "STOP"}]}'
    answer = GenerateContentAnswer()
    match came_of(lambda: answer.read(event)):
        case ProviderError() as failed:
            assert failed.reason == error_pb2.ERROR_REASON_PROVIDER_STREAM_BROKEN
        case _:
            said = answer.take()
            assert said
            # Half of a character is told as what nobody can read, which leaves the rest of the arguments whole.
            whole = re.sub(r"\\u(d800|dfff)", "\ufffd", HOSTILE[name]).replace(" ", "")
            assert json.loads(said.tool_calls[0].arguments_json) == json.loads(whole)


def test_a_path_of_arguments_that_never_ends_breaks_the_stream() -> None:
    piece = {"jsonPath": "$" + ".a" * 100_000, "stringValue": "x"}
    call = {"functionCall": {"name": "f", "partialArgs": [piece]}}
    event = {"candidates": [{"content": {"parts": [call]}, "finishReason": "STOP"}]}
    with pytest.raises(ProviderError, match="a place in its arguments that is none"):
        GenerateContentAnswer().read(json.dumps(event))
