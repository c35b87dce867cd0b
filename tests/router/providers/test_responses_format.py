"""Requests in the format of OpenAI's Responses, without a network.

They are those of platform.openai.com/docs/api-reference/responses.
"""

from tests.router.chat import says, user

from weft.common.v1 import chat_pb2
from weft.inference.v1 import inference_pb2
from weft_kit.catalog.providers import OpenAIResponsesEntry
from weft_router.providers.openai.responses import Responses

FORMAT = Responses(OpenAIResponsesEntry(kind="openai_responses"))


def test_nothing_is_left_with_the_provider() -> None:
    """platform.openai.com/docs/api-reference/responses/create: store."""
    asked = inference_pb2.GenerateRequest(
        model="m",
        messages=[says(chat_pb2.ROLE_SYSTEM, "Be brief."), user("Hi")],
        sampling=chat_pb2.SamplingParams(temperature=0, max_tokens=50, seed=7, stop=["x"], frequency_penalty=1),
    )
    assert FORMAT.body(asked) == {
        "model": "m",
        "input": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}],
        "stream": True,
        "store": False,
        "temperature": 0,
        "max_output_tokens": 50,
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
    assert said["tools"] == [tool | {"parameters": {"type": "object", "properties": {}}}]
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
        "format": {"type": "json_schema", "name": "city", "schema": {"type": "object"}, "strict": False}
    }


def test_a_closed_schema_is_asked_for_strictly() -> None:
    text = '{"type": "object", "properties": {"a": {"type": "null"}}, "required": ["a"]}'
    schema = chat_pb2.JsonSchemaFormat(name="city", schema_json=text)
    asked = inference_pb2.GenerateRequest(response_format=chat_pb2.ResponseFormat(json_schema=schema))

    form = FORMAT.body(asked)["text"]["format"]
    assert (form["strict"], form["schema"]["additionalProperties"]) == (True, False)


def test_no_fewer_tokens_are_allowed_than_the_format_takes() -> None:
    """What is refused: "Expected a value >= 16, but got 10 instead" (vectorize-io/hindsight#58)."""
    asked = inference_pb2.GenerateRequest(sampling=chat_pb2.SamplingParams(max_tokens=1))
    assert FORMAT.body(asked)["max_output_tokens"] == 16
