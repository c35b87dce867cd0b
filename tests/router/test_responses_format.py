"""The format of OpenAI's Responses, in and out, without a network."""

import pytest
from tests.router.chat import says, user

from weft.common.v1 import chat_pb2, error_pb2
from weft.inference.v1 import inference_pb2
from weft_kit.provider_entries import OpenAIResponsesEntry
from weft_router.providers.openai_responses import Responses
from weft_router.providers.openai_responses_answer import ResponsesAnswer
from weft_router.providers.port import ProviderError

FORMAT = Responses(OpenAIResponsesEntry(kind="openai_responses"))


def test_nothing_is_left_with_the_provider() -> None:
    """platform.openai.com/docs/api-reference/responses/create: store."""
    asked = inference_pb2.GenerateRequest(
        model="m",
        messages=[says(chat_pb2.ROLE_SYSTEM, "Be brief."), user("Hi")],
        sampling=chat_pb2.SamplingParams(temperature=0, max_tokens=5, seed=7),
    )
    assert FORMAT.body(asked) == {
        "model": "m",
        "input": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}],
        "stream": True,
        "store": False,
        "temperature": 0,
        "max_output_tokens": 5,
    }


def test_calls_and_their_results_are_items_of_their_own() -> None:
    """platform.openai.com/docs/guides/function-calling?api-mode=responses."""
    call = chat_pb2.ToolCall(id="c1", name="weather", arguments_json='{"city": "Paris"}')
    asked = inference_pb2.GenerateRequest(
        messages=[
            says(chat_pb2.ROLE_ASSISTANT, "I look.", tool_calls=[call]),
            says(chat_pb2.ROLE_TOOL, "Rain", tool_call_id="c1"),
        ],
        tools=[chat_pb2.Tool(name="weather", description="Tells", parameters_schema='{"type": "object"}')],
        tool_choice=chat_pb2.TOOL_CHOICE_REQUIRED,
    )
    said = FORMAT.body(asked)

    assert said["input"] == [
        {"role": "assistant", "content": "I look."},
        {"type": "function_call", "call_id": "c1", "name": "weather", "arguments": '{"city": "Paris"}'},
        {"type": "function_call_output", "call_id": "c1", "output": "Rain"},
    ]
    tool = {"type": "function", "name": "weather", "description": "Tells", "strict": False}
    assert said["tools"] == [tool | {"parameters": {"type": "object"}}]
    assert said["tool_choice"] == "required"


def test_images_and_schemas_are_said_in_its_words() -> None:
    """platform.openai.com/docs/guides/images-vision?api-mode=responses."""
    parts = [
        chat_pb2.ContentPart(text="What?"),
        chat_pb2.ContentPart(image=chat_pb2.Image(data=b"png", mime_type="image/png")),
    ]
    schema = chat_pb2.JsonSchemaFormat(name="city", schema_json='{"type": "object"}')
    asked = inference_pb2.GenerateRequest(
        messages=[chat_pb2.Message(role=chat_pb2.ROLE_USER, parts=parts)],
        response_format=chat_pb2.ResponseFormat(json_schema=schema),
    )
    said = FORMAT.body(asked)

    assert said["input"][0]["content"] == [
        {"type": "input_text", "text": "What?"},
        {"type": "input_image", "image_url": "data:image/png;base64,cG5n"},
    ]
    assert said["text"] == {
        "format": {"type": "json_schema", "name": "city", "schema": {"type": "object"}, "strict": True}
    }


@pytest.mark.parametrize(
    "sampling", [chat_pb2.SamplingParams(stop=["x"]), chat_pb2.SamplingParams(frequency_penalty=1)]
)
def test_what_the_format_lacks_is_unsupported_before_any_call(sampling: chat_pb2.SamplingParams) -> None:
    with pytest.raises(ProviderError) as failure:
        FORMAT.body(inference_pb2.GenerateRequest(sampling=sampling))
    assert failure.value.reason == error_pb2.ERROR_REASON_UNSUPPORTED


@pytest.mark.parametrize(
    "data",
    [
        '{"type": "error", "code": "rate_limit_exceeded", "message": "slow down", "param": null}',
        '{"type": "error", "error": {"type": "x", "code": "rate_limit_exceeded", "message": "slow down"}}',
        '{"type": "response.failed", "response": {"error": {"code": "rate_limit_exceeded", "message": "slow down"}}}',
    ],
)
def test_a_failure_inside_a_stream_says_why(data: str) -> None:
    with pytest.raises(ProviderError) as failure:
        ResponsesAnswer().read(data)

    assert failure.value.reason == error_pb2.ERROR_REASON_PROVIDER_OVERLOADED
    assert "slow down" in failure.value.message
