"""Requests in OpenAI's format, without a network.

They are those of platform.openai.com/docs/api-reference/chat, but where another source is named.
"""

import json
from typing import Any

import pytest
from tests.router.chat import says, user

from weft.common.v1 import chat_pb2, error_pb2
from weft.inference.v1 import inference_pb2
from weft_kit.catalog.providers import OpenAIEntry
from weft_router.providers.openai.chat import ChatCompletions
from weft_router.providers.provider import ProviderError, Remedy


def chat(**settings: object) -> ChatCompletions:
    entry = {"kind": "openai", "base_url": "https://provider.test/v1"} | settings
    return ChatCompletions(OpenAIEntry.model_validate(entry))


def body(request: inference_pb2.GenerateRequest, **settings: object) -> dict[str, Any]:
    return chat(**settings).body(request)


def test_a_plain_request_says_nothing_that_was_not_asked() -> None:
    """platform.openai.com/docs/api-reference/chat/create."""
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


@pytest.mark.parametrize(
    ("model", "sent"),
    [
        ("gpt-4o", 1.75),
        ("glm-5.2", 1),
        ("zai-org/GLM-5.2", 1.75),
        ("kimi-k2-turbo-preview", 1),
        ("mistral-small-latest", 1.5),
    ],
)
def test_a_temperature_above_a_models_scale_is_its_hottest(model: str, sent: float) -> None:
    """theopenco/llmgateway#3268: "The temperature parameter is illegal" above 1 for every GLM model.

    Moonshot's reference goes to 1, Mistral's to 1.5.
    """
    asked = inference_pb2.GenerateRequest(model=model, sampling=chat_pb2.SamplingParams(temperature=1.75))
    assert body(asked)["temperature"] == sent


def test_a_temperature_of_zero_is_not_left_out() -> None:
    assert body(inference_pb2.GenerateRequest(sampling=chat_pb2.SamplingParams(temperature=0)))["temperature"] == 0


def test_a_conversation_with_tools_is_told_whole() -> None:
    """platform.openai.com/docs/guides/function-calling; content is null beside calls."""
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
    tool = {"name": "weather", "description": "Tells", "parameters": {"type": "object", "properties": {}}}
    assert said["tools"] == [{"type": "function", "function": tool}]
    assert said["tool_choice"] == "required"


def test_an_image_is_shown_or_pointed_at() -> None:
    """platform.openai.com/docs/guides/images-vision: a URL, or a data URL."""
    parts = [
        chat_pb2.ContentPart(text="What is this?"),
        chat_pb2.ContentPart(image=chat_pb2.Image(data=b"png", mime_type="image/png")),
        chat_pb2.ContentPart(image=chat_pb2.Image(url="https://images.test/a.jpg")),
    ]
    said = body(inference_pb2.GenerateRequest(messages=[chat_pb2.Message(role=chat_pb2.ROLE_USER, parts=parts)]))

    assert said["messages"][0]["content"] == [
        {"type": "text", "text": "What is this?"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,cG5n"}},
        {"type": "image_url", "image_url": {"url": "https://images.test/a.jpg"}},
    ]


@pytest.mark.parametrize(
    ("model", "settings", "field"),
    [
        ("gpt-4o", {}, "max_tokens"),
        ("o3-mini", {}, "max_completion_tokens"),
        ("gpt-5", {}, "max_completion_tokens"),
        ("gpt-5", {"max_tokens_field": "max_tokens"}, "max_tokens"),
        ("my-deployment", {"max_tokens_field": "max_completion_tokens"}, "max_completion_tokens"),
    ],
)
def test_the_longest_answer_is_named_as_the_model_wants_it(model: str, settings: dict[str, str], field: str) -> None:
    asked = inference_pb2.GenerateRequest(model=model, sampling=chat_pb2.SamplingParams(max_tokens=5))
    said = body(asked, **settings)

    assert {name: said[name] for name in said if name.startswith("max")} == {field: 5}


def test_azure_gets_its_version_and_its_header() -> None:
    azure = chat(api_version="2024-10-21", key_header="api-key", stream_usage=False)

    assert str(azure.url("m")) == "https://provider.test/v1/chat/completions?api-version=2024-10-21"
    assert str(azure.models_url) == "https://provider.test/v1/models?api-version=2024-10-21"
    assert azure.headers("k") == {"api-key": "k"}
    assert "stream_options" not in azure.body(inference_pb2.GenerateRequest())


def test_a_server_that_can_is_told_to_go_on_with_a_text() -> None:
    """docs.vllm.ai, OpenAI-compatible server: continue_final_message."""
    asked = inference_pb2.GenerateRequest(messages=[user("Hi")], prefix="Once upon")
    said = body(asked, continues_prefix=True)

    assert said["messages"][-1] == {"role": "assistant", "content": "Once upon"}
    assert (said["continue_final_message"], said["add_generation_prompt"]) == (True, False)
    assert body(asked)["messages"] == [{"role": "user", "content": "Hi"}]


def test_a_schema_is_asked_for_strictly() -> None:
    text = '{"type": "object", "properties": {"a": {"type": "number", "minimum": 1}}, "required": ["a"]}'
    schema = chat_pb2.JsonSchemaFormat(name="city", schema_json=text)
    asked = inference_pb2.GenerateRequest(response_format=chat_pb2.ResponseFormat(json_schema=schema))

    closed = json.loads(text) | {"additionalProperties": False}
    strict = {"name": "city", "schema": closed, "strict": True}
    assert body(asked)["response_format"] == {"type": "json_schema", "json_schema": strict}
    # Azure's guide to structured outputs lists fewer keywords.
    loose = {"name": "city", "schema": json.loads(text), "strict": False}
    assert body(asked, api_version="2024-10-21")["response_format"]["json_schema"] == loose


def test_a_schema_that_cannot_be_strict_is_sent_as_it_is() -> None:
    """`strict` with an optional property is refused: juspay/neurolink#1691, openai/openai-agents-python#3927."""
    text = '{"type":"object","properties":{"city":{"type":"string"},"note":{"type":"string"}},"required":["city"]}'
    schema = chat_pb2.JsonSchemaFormat(name="city", schema_json=text)
    asked = inference_pb2.GenerateRequest(response_format=chat_pb2.ResponseFormat(json_schema=schema))

    loose = {"name": "city", "schema": json.loads(text), "strict": False}
    assert body(asked)["response_format"]["json_schema"] == loose


@pytest.mark.parametrize("model", ["deepseek-chat", "deepseek-v4-flash"])
def test_a_schema_is_told_in_words_where_the_model_takes_none(model: str) -> None:
    """llm-exe/llm-exe#662, UKGovernmentBEIS/inspect_ai#4916: "This response_format type is unavailable now"."""
    schema = chat_pb2.JsonSchemaFormat(name="city", schema_json='{"type":"object"}')
    form = chat_pb2.ResponseFormat(json_schema=schema)
    said = body(inference_pb2.GenerateRequest(model=model, messages=[user("Hi")], response_format=form))

    assert said["response_format"] == {"type": "json_object"}
    assert [message["role"] for message in said["messages"]] == ["system", "user"]
    assert said["messages"][0]["content"].endswith('{"type":"object"}')


@pytest.mark.parametrize(
    ("messages", "told"),
    [
        ([user("Hi")], ["Answer with one JSON object", "Hi"]),
        ([user("As Json, please")], ["As Json, please"]),
        ([says(chat_pb2.ROLE_SYSTEM, "Be brief."), user("Hi")], ["Be brief.\n\nAnswer with one JSON object", "Hi"]),
    ],
)
def test_one_json_object_is_asked_for_in_words_too(messages: list[chat_pb2.Message], told: list[str]) -> None:
    """What is refused: "'messages' must contain the word 'json' in some form" (ultimatejimmy/xray.koplugin#33).

    Nothing is added where it stands there already, and what was asked is not touched.
    """
    form = chat_pb2.ResponseFormat(json_object=chat_pb2.JsonObjectFormat())
    said = body(inference_pb2.GenerateRequest(messages=messages, response_format=form))

    assert said["response_format"] == {"type": "json_object"}
    found = [message["content"] for message in said["messages"]]
    assert all(text.startswith(start) for text, start in zip(found, told, strict=True))


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
