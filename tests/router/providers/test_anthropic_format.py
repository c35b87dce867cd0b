"""Requests in Anthropic's format, without a network.

They are those of docs.claude.com/en/api/messages.
"""

from typing import Any

import pytest
from tests.router.chat import says, user
from tests.router.recorded import answer, raw, read

from weft.common.v1 import chat_pb2, error_pb2
from weft.inference.v1 import inference_pb2
from weft_kit.catalog.providers import AnthropicEntry
from weft_router.providers.anthropic.messages import Messages
from weft_router.providers.provider import ProviderError, Remedy


def messages(**settings: object) -> Messages:
    return Messages(AnthropicEntry.model_validate({"kind": "anthropic"} | settings))


def body(request: inference_pb2.GenerateRequest, **settings: object) -> dict[str, Any]:
    return messages(**settings).body(request)


EMPTY = {"type": "object", "properties": {}}


def schema(text: str) -> chat_pb2.ResponseFormat:
    return chat_pb2.ResponseFormat(json_schema=chat_pb2.JsonSchemaFormat(name="city", schema_json=text))


def test_the_version_and_the_key_travel_in_headers() -> None:
    """docs.anthropic.com/en/api/versioning."""
    assert messages().headers("k") == {"anthropic-version": "2023-06-01", "x-api-key": "k"}
    assert messages(version="2024-01-01").headers("") == {"anthropic-version": "2024-01-01"}


def test_the_system_stands_apart_and_a_limit_is_always_given() -> None:
    """docs.anthropic.com/en/api/messages: system, max_tokens."""
    asked = inference_pb2.GenerateRequest(
        model="m", messages=[says(chat_pb2.ROLE_SYSTEM, "Be brief."), user("Hi"), says(chat_pb2.ROLE_SYSTEM, "Rhyme.")]
    )
    assert body(asked) == {
        "model": "m",
        "system": "Be brief.\n\nRhyme.",
        "messages": [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}],
        "stream": True,
        "max_tokens": 1024,
    }


def test_sampling_is_passed_on_but_for_the_seed_there_is_not() -> None:
    sampling = chat_pb2.SamplingParams(temperature=0, top_p=0.9, top_k=40, max_tokens=5, stop=["END", "\n"], seed=7)
    said = body(inference_pb2.GenerateRequest(sampling=sampling))

    assert {name: said.get(name) for name in ("temperature", "top_p", "top_k", "max_tokens", "seed")} == {
        "temperature": 0,
        "top_p": 0.9,
        "top_k": 40,
        "max_tokens": 5,
        "seed": None,
    }
    # "stop_sequences: each stop sequence must contain non-whitespace": BerriAI/litellm#3286
    assert said["stop_sequences"] == ["END"]


def test_results_of_parallel_calls_stand_in_one_turn() -> None:
    """docs.anthropic.com, handling tool results, parallel tool use."""
    calls = [chat_pb2.ToolCall(id=f"call_{n}", name="weather", arguments_json='{"n": 1}') for n in (1, 2)]
    asked = inference_pb2.GenerateRequest(
        messages=[
            user("Weather?"),
            says(chat_pb2.ROLE_ASSISTANT, "I look.", tool_calls=calls),
            says(chat_pb2.ROLE_TOOL, "Rain", tool_call_id="call_1"),
            says(chat_pb2.ROLE_TOOL, "Sun", tool_call_id="call_2"),
            user("And?"),
        ],
        tools=[chat_pb2.Tool(name="weather", description="Tells", parameters_schema='{"type": "object"}')],
        tool_choice=chat_pb2.TOOL_CHOICE_REQUIRED,
    )
    said = body(asked)

    assert said["messages"][1:] == [
        {
            "role": "assistant",
            "content": [
                {"type": "text", "text": "I look."},
                {"type": "tool_use", "id": "call_1", "name": "weather", "input": {"n": 1}},
                {"type": "tool_use", "id": "call_2", "name": "weather", "input": {"n": 1}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "call_1", "content": "Rain"},
                {"type": "tool_result", "tool_use_id": "call_2", "content": "Sun"},
                {"type": "text", "text": "And?"},
            ],
        },
    ]
    assert said["tools"] == [{"name": "weather", "description": "Tells", "input_schema": EMPTY}]
    assert said["tool_choice"] == {"type": "any"}


def test_a_call_goes_back_with_the_thinking_that_led_to_it() -> None:
    """docs.anthropic.com, extended thinking with tool use: preserving thinking blocks."""
    calls = read(answer("anthropic-thinking-tools"), [raw("anthropic-thinking-tools")]).said.tool_calls
    turn = chat_pb2.Message(role=chat_pb2.ROLE_ASSISTANT, tool_calls=calls)
    asked = inference_pb2.GenerateRequest(messages=[user("Weather?"), turn])

    assert body(asked)["messages"][1]["content"] == [
        {"type": "thinking", "thinking": "Rain? Ask.", "signature": "c2ln"},
        {"type": "redacted_thinking", "data": "b3BhcXVl"},
        {"type": "tool_use", "id": "t1", "name": "weather", "input": {"city": "Paris"}},
        {"type": "tool_use", "id": "t2", "name": "time", "input": {}},
    ]


def test_what_another_provider_kept_with_a_call_is_left_out() -> None:
    """docs.anthropic.com, extended thinking: a signature is verified by who made it."""
    call = chat_pb2.ToolCall(id="c", name="t", provider_state='{"gemini":"c2ln"}')
    turn = chat_pb2.Message(role=chat_pb2.ROLE_ASSISTANT, tool_calls=[call])
    asked = inference_pb2.GenerateRequest(messages=[user("Hi"), turn])

    assert body(asked)["messages"][1]["content"] == [{"type": "tool_use", "id": "c", "name": "t", "input": {}}]


def test_an_image_is_shown_or_pointed_at() -> None:
    """docs.anthropic.com, vision: sources of type base64 and url."""
    parts = [
        chat_pb2.ContentPart(image=chat_pb2.Image(data=b"png", mime_type="image/png")),
        chat_pb2.ContentPart(image=chat_pb2.Image(url="https://images.test/a.jpg")),
    ]
    said = body(inference_pb2.GenerateRequest(messages=[chat_pb2.Message(role=chat_pb2.ROLE_USER, parts=parts)]))

    assert said["messages"][0]["content"] == [
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "cG5n"}},
        {"type": "image", "source": {"type": "url", "url": "https://images.test/a.jpg"}},
    ]


def test_a_schema_is_asked_for() -> None:
    closed = schema('{"type": "object", "properties": {}, "additionalProperties": false}')
    asked = inference_pb2.GenerateRequest(model="claude-sonnet-4-5", response_format=closed)

    strict = EMPTY | {"required": [], "additionalProperties": False}
    assert body(asked)["output_config"] == {"format": {"type": "json_schema", "schema": strict}}
    assert "system" not in body(asked)


@pytest.mark.parametrize(
    ("model", "form"),
    [
        ("claude-sonnet-4-5", chat_pb2.ResponseFormat(json_object=chat_pb2.JsonObjectFormat())),
        ("claude-sonnet-4-5", schema('{"type": "object", "additionalProperties": {"type": "string"}}')),
        # Before structured outputs, which docs.claude.com lists by model.
        ("claude-3-7-sonnet-latest", schema('{"type": "object", "properties": {}, "additionalProperties": false}')),
        ("claude-sonnet-4-20250514", schema('{"type": "object", "properties": {}, "additionalProperties": false}')),
    ],
)
def test_a_form_that_is_not_enforced_is_asked_for_in_words(model: str, form: chat_pb2.ResponseFormat) -> None:
    system = says(chat_pb2.ROLE_SYSTEM, "Be brief.")
    said = body(inference_pb2.GenerateRequest(model=model, messages=[system, user("Hi")], response_format=form))

    assert "output_config" not in said
    assert said["system"].startswith("Be brief.\n\nAnswer with ")
    assert said["system"].endswith(form.json_schema.schema_json or "no Markdown fence.")


THINKING = {"extra_body": {"thinking": {"type": "enabled", "budget_tokens": 1024}}}


@pytest.mark.parametrize(("asked", "sent"), [(512, 1536), (1024, 2048), (1025, 1025)])
def test_an_answer_has_room_beside_its_thinking(asked: int, sent: int) -> None:
    """What is refused: "`max_tokens` must be greater than `thinking.budget_tokens`" (theopenco/llmgateway#3501)."""
    request = inference_pb2.GenerateRequest(sampling=chat_pb2.SamplingParams(max_tokens=asked))

    assert body(request, **THINKING)["max_tokens"] == sent
    assert body(request)["max_tokens"] == asked


def test_a_model_that_must_call_a_tool_does_not_think_before() -> None:
    """docs.claude.com, "Extended thinking with tool use": only `auto` and `none` go with thinking."""
    asked = inference_pb2.GenerateRequest(
        tools=[chat_pb2.Tool(name="t")],
        tool_choice=chat_pb2.TOOL_CHOICE_REQUIRED,
        sampling=chat_pb2.SamplingParams(max_tokens=5, temperature=0),
    )
    format_ = messages(**THINKING)
    adaptive = {"thinking": {"type": "adaptive"}}

    assert format_.extra_body(asked) == {}
    assert (format_.body(asked)["max_tokens"], format_.body(asked)["temperature"]) == (5, 0)
    assert messages(extra_body=adaptive).extra_body(asked) == adaptive
    asked.tool_choice = chat_pb2.TOOL_CHOICE_AUTO
    assert format_.extra_body(asked) == THINKING["extra_body"]


def test_a_model_that_cannot_be_made_to_call_is_not_asked_to() -> None:
    """Anthropic's table of models and forced tool use, as pydantic/pydantic-ai's profiles quote it."""
    asked = inference_pb2.GenerateRequest(
        model="claude-opus-5-5", tools=[chat_pb2.Tool(name="t")], tool_choice=chat_pb2.TOOL_CHOICE_REQUIRED
    )
    with pytest.raises(ProviderError) as failure:
        body(asked)
    assert (failure.value.reason, failure.value.remedy) == (
        error_pb2.ERROR_REASON_UNSUPPORTED,
        Remedy.ANOTHER_PROVIDER,
    )
    asked.model = "claude-opus-5"
    assert body(asked)["tool_choice"] == {"type": "any"}


def test_a_temperature_above_its_scale_is_its_hottest() -> None:
    """Its reference: "Ranges from 0.0 to 1.0"; vercel/ai#10308."""
    assert body(inference_pb2.GenerateRequest(sampling=chat_pb2.SamplingParams(temperature=1.7)))["temperature"] == 1


def test_a_text_is_gone_on_from_only_where_the_model_takes_it() -> None:
    """docs.anthropic.com, prefilling: no white space at its end; newer models take none."""
    asked = inference_pb2.GenerateRequest(messages=[user("Tell")], prefix="Once upon \n")

    assert body(asked, continues_prefix=True)["messages"][-1] == {"role": "assistant", "content": "Once upon"}
    assert len(body(asked)["messages"]) == 1
