"""Requests that a provider refuses as they stand, and takes when they are put otherwise, with the same meaning.

Each test names where the refusal was met.
"""

import json
from typing import Any

import pytest
from tests.router import recorded
from tests.router.chat import says, user
from tests.router.harness import Harness, asking
from tests.router.providers.http.harness import KINDS
from tests.router.scripted_server import EVENTS, Reply, ScriptedServer

from weft.common.v1 import chat_pb2
from weft.inference.v1 import inference_pb2
from weft_kit.joblog import JobLog
from weft_router.providers.encoding import kept, source
from weft_router.providers.http.wire_format import WireFormat

BUDGET = {"thinking": {"type": "enabled", "budget_tokens": 1024}}
ADAPTIVE = {"thinking": {"type": "adaptive"}}
TEXT = {"type": "string"}
TOOL = chat_pb2.Tool(name="look")
MUST_CALL = chat_pb2.TOOL_CHOICE_REQUIRED
ASSISTANT, RESULT = chat_pb2.ROLE_ASSISTANT, chat_pb2.ROLE_TOOL


def of_kind(kind: str, base_url: str = "https://provider.test/v1", **extra_body: Any) -> WireFormat:
    entry_type, wire_format = KINDS[kind]
    entry = entry_type.model_validate({"kind": kind, "base_url": base_url, "extra_body": extra_body})
    return wire_format(entry)  # type: ignore[arg-type,no-any-return]


def form(schema: Any) -> chat_pb2.ResponseFormat:
    return chat_pb2.ResponseFormat(json_schema=chat_pb2.JsonSchemaFormat(name="n", schema_json=json.dumps(schema)))


def calling(call_id: str, **fields: Any) -> chat_pb2.Message:
    return says(ASSISTANT, "", tool_calls=[chat_pb2.ToolCall(id=call_id, name="look", **fields)])


def result_of(call_id: str) -> chat_pb2.Message:
    return says(RESULT, "r", tool_call_id=call_id)


THOUGHT = kept(
    "anthropic", [{"type": "thinking", "thinking": "t", "signature": "s"}], source("https://provider.test/v1")
)


# "Expected `thinking` or `redacted_thinking`, but found `tool_use`": anomalyco/opencode#3077, mastra-ai/mastra#7799,
# deepset-ai/haystack-core-integrations#2146. It is of the turn that goes on, and of its beginning.
@pytest.mark.parametrize(
    ("turns", "thinks"),
    [
        ([user("q")], True),
        ([user("q"), says(ASSISTANT, "a"), user("q")], True),
        ([user("q"), calling("c"), result_of("c")], False),
        ([user("q"), calling("c", provider_state=THOUGHT), result_of("c")], True),
        ([user("q"), calling("c"), result_of("c"), says(ASSISTANT, "a"), user("q")], True),
        ([user("q"), calling("c"), user("wait"), result_of("c")], False),
        ([user("q"), says(ASSISTANT, "a"), calling("c", provider_state=THOUGHT), result_of("c")], False),
        # Within one turn it thinks once.
        ([user("q"), calling("c", provider_state=THOUGHT), result_of("c"), calling("d"), result_of("d")], True),
        ([user("q"), calling("c"), result_of("c"), calling("d", provider_state=THOUGHT), result_of("d")], False),
    ],
    ids=["new", "text", "anothers", "own", "past", "interrupted", "behind text", "once", "halfway"],
)
def test_claude_does_not_think_on_in_a_turn_that_another_model_began(
    turns: list[chat_pb2.Message],
    thinks: bool,  # noqa: FBT001
) -> None:
    format_ = of_kind("anthropic", **BUDGET)
    asked = inference_pb2.GenerateRequest(model="claude-sonnet-4-5", messages=turns, tools=[TOOL])

    assert format_.extra_body(asked) == (BUDGET if thinks else {})
    assert ("thinking" in format_.refused(asked)) is not thinks


@pytest.mark.parametrize(
    ("model", "thinking", "thinks"),
    [
        ("claude-opus-4-6", ADAPTIVE, False),
        ("claude-opus-4-7", ADAPTIVE, False),
        ("claude-opus-4-8", ADAPTIVE, True),
        ("claude-sonnet-5", ADAPTIVE, True),
        ("claude-sonnet-4-6", BUDGET, False),
    ],
)
def test_claude_does_not_think_before_a_call_where_the_two_are_refused(
    model: str,
    thinking: dict[str, Any],
    thinks: bool,  # noqa: FBT001
) -> None:
    """langchain-ai/langchain-aws#1141 and #1151, by model; can1357/oh-my-pi#341 with a budget."""
    asked = inference_pb2.GenerateRequest(model=model, messages=[user("q")], tools=[TOOL], tool_choice=MUST_CALL)

    assert of_kind("anthropic", **thinking).extra_body(asked) == (thinking if thinks else {})


@pytest.mark.parametrize(
    ("model", "thinking"),
    [
        # can1357/oh-my-pi#1077, simstudioai/sim#5716 (Kimi), tickernelz/opencode-mem#253, cloudwego/eino#994 (DeepSeek)
        ("kimi-k2.6", {"type": "disabled"}),
        ("kimi-k2.5", {"type": "disabled"}),
        ("deepseek-v4-pro", {"type": "disabled"}),
        # UKGovernmentBEIS/inspect_ai#5152: K3 takes both; mnfst/modelparams.dev#168: K2.7 takes nothing but thinking.
        ("kimi-k3", None),
        ("kimi-k2.7-code", None),
        # Elsewhere thinking has another switch.
        ("deepseek-ai/DeepSeek-V4-Pro", None),
        ("moonshotai/Kimi-K2.6", None),
        ("gpt-4o", None),
    ],
)
def test_a_model_that_thinks_or_must_call_does_the_latter_where_it_is_asked_to(
    model: str, thinking: dict[str, str] | None
) -> None:
    asked = inference_pb2.GenerateRequest(model=model, messages=[user("q")], tools=[TOOL], tool_choice=MUST_CALL)
    format_ = of_kind("openai", thinking={"type": "enabled"}, reasoning_effort="high")

    assert format_.body(asked)["tool_choice"] == "required"
    assert format_.body(asked).get("thinking") == thinking
    assert format_.extra_body(asked).get("thinking") == (None if thinking else {"type": "enabled"})
    assert ("thinking" in format_.refused(asked)) is bool(thinking)
    asked.tool_choice = chat_pb2.TOOL_CHOICE_AUTO
    assert "thinking" not in format_.body(asked)
    assert format_.extra_body(asked)["thinking"] == {"type": "enabled"}


@pytest.mark.parametrize(
    ("model", "base_url", "is_asked"),
    [
        ("mistral-large-latest", "https://provider.test/v1", False),
        ("ft:open-mistral-7b:me", "https://api.mistral.ai/v1", False),
        ("mistralai/Mistral-7B-Instruct-v0.3", "https://provider.test/v1", True),
        ("gpt-4o", "https://provider.test/v1", True),
    ],
)
def test_mistral_counts_tokens_unasked(model: str, base_url: str, is_asked: bool) -> None:  # noqa: FBT001
    """dnakov/anon-kode#53: "extra_forbidden … stream_options, include_usage", and "usage is included by default"."""
    asked = inference_pb2.GenerateRequest(model=model, messages=[user("q")])

    assert ("stream_options" in of_kind("openai", base_url).body(asked)) is is_asked


def test_kimi_is_told_the_stop_texts_that_are_short_enough() -> None:
    """platform.moonshot.ai, Chat: "up to 5 strings … each must not exceed 32 bytes"; mnfst/modelparams.dev#168."""
    asked = inference_pb2.GenerateRequest(model="kimi-k2.6", messages=[user("q")])
    asked.sampling.stop.extend(["x" * 33, "é" * 17, "x" * 32])

    assert of_kind("openai").body(asked)["stop"] == ["x" * 32]


# "schema must be a JSON Schema of 'type: \"object\"', got 'type: \"array\"'": podly-pure-podcasts#89, vercel/ai#1485;
# OpenAI's guide to structured outputs, "Root objects must not be anyOf".
ROOTS = [
    {"type": "array", "items": TEXT},
    {"type": "string"},
    {"enum": ["a", "b"]},
    {"anyOf": [{"type": "object"}, {"type": "array"}]},
    {"type": ["object", "null"], "properties": {"a": TEXT}},
    {},
]


@pytest.mark.parametrize("schema", ROOTS)
@pytest.mark.parametrize("kind", ["openai", "openai_responses"])
def test_a_form_that_need_not_be_an_object_is_told_openais_models_in_words(kind: str, schema: dict[str, Any]) -> None:
    asked = inference_pb2.GenerateRequest(model="gpt-4o", messages=[user("q")], response_format=form(schema))
    said = of_kind(kind).body(asked)

    assert "response_format" not in said
    assert "text" not in said
    assert json.dumps(schema) in json.dumps(said["messages" if kind == "openai" else "input"][0]["content"]).replace(
        "\\", ""
    )


def test_such_a_form_is_enforced_by_servers_that_can() -> None:
    """docs.vllm.ai, "Structured outputs": any JSON Schema."""
    asked = inference_pb2.GenerateRequest(model="my-model", messages=[user("q")], response_format=form(ROOTS[0]))

    assert of_kind("openai").body(asked)["response_format"]["json_schema"]["schema"] == ROOTS[0]


def test_deepseek_is_not_asked_for_one_object_where_the_form_is_another() -> None:
    """api-docs.deepseek.com/guides/json_mode: `json_object` is an object."""
    asked = inference_pb2.GenerateRequest(model="deepseek-chat", messages=[user("q")], response_format=form(ROOTS[0]))
    assert "response_format" not in of_kind("openai").body(asked)


def test_a_root_that_only_lists_properties_is_an_object() -> None:
    """A schema without `type`, as people write it, is refused: "got 'type: None'"."""
    schema = {"properties": {"a": TEXT}, "required": ["a"]}
    asked = inference_pb2.GenerateRequest(model="gpt-4o", messages=[user("q")], response_format=form(schema))
    closed = schema | {"type": "object", "additionalProperties": False}

    sent = of_kind("openai").body(asked)["response_format"]["json_schema"]
    assert (sent["schema"], sent["strict"]) == (closed, True)


@pytest.mark.parametrize(
    "wanted", [form({"type": "object"}), chat_pb2.ResponseFormat(json_object=chat_pb2.JsonObjectFormat())]
)
def test_groq_is_told_a_form_beside_tools_in_words(wanted: chat_pb2.ResponseFormat) -> None:
    """agno-agi/agno#1065: "response_format json_object cannot be combined with tool/function calling"."""
    asked = inference_pb2.GenerateRequest(model="llama", messages=[user("q")], tools=[TOOL], response_format=wanted)
    groq = of_kind("openai", "https://api.groq.com/openai/v1")

    assert "response_format" not in groq.body(asked)
    assert "JSON" in groq.body(asked)["messages"][0]["content"]
    del asked.tools[:]
    assert "response_format" in groq.body(asked)


CATALOG = """
[providers.asked]
kind = "{kind}"
base_url = "{url}"
{more}
[models.default]
routes = [{{ provider = "asked", model = "{model}" }}]
"""


@pytest.mark.parametrize(
    ("kind", "model", "asked", "told"),
    [
        (
            "anthropic",
            "claude-haiku-4-5",
            {"sampling": chat_pb2.SamplingParams(temperature=1.5)},
            "with temperature 1, as its model takes it",
        ),
        (
            "openai",
            "mistral-small-latest",
            {"sampling": chat_pb2.SamplingParams(temperature=2)},
            "with temperature 1.5, as its model takes it",
        ),
        (
            "openai",
            "mistral-small-latest",
            {"sampling": chat_pb2.SamplingParams(seed=-1)},
            f"with seed {2**63 - 1}, as its model takes it",
        ),
        (
            "gemini",
            "gemini-2.0-flash",
            {"sampling": chat_pb2.SamplingParams(seed=2**31 + 7)},
            "with seed 7, as its model takes it",
        ),
        (
            "openai_responses",
            "gpt-4o",
            {"sampling": chat_pb2.SamplingParams(max_tokens=3)},
            "with max_tokens 16, as its model takes it",
        ),
        (
            "openai",
            "kimi-k2.6",
            {"tools": [TOOL], "tool_choice": MUST_CALL},
            "without thinking, which its model does not take",
        ),
        (
            "openai",
            "glm-5",
            {"sampling": chat_pb2.SamplingParams(temperature=2, top_k=3)},
            "without top_k, which its model does not take; asked with temperature 1, as its model takes it",
        ),
    ],
)
async def test_the_record_says_what_a_model_was_told_otherwise(
    joblog: JobLog, nats_url: str, tmp_path: Any, kind: str, model: str, asked: dict[str, Any], told: str
) -> None:
    harness = Harness(joblog, nats_url, tmp_path)
    scripted = ScriptedServer(Reply(content_type=EVENTS, body=recorded.raw("openai-text")))
    async with scripted.running() as url:
        harness.catalog(CATALOG.format(kind=kind, url=url, model=model, more=""))
        async with harness.routing(max_attempts=1):
            done = await harness.done(await harness.submit(asking(**asked)))

    assert done.attempts[0].chosen_because == f"the only route; asked {told}"


async def test_a_request_that_is_told_as_it_is_has_nothing_on_record(
    joblog: JobLog, nats_url: str, tmp_path: Any
) -> None:
    harness = Harness(joblog, nats_url, tmp_path)
    scripted = ScriptedServer(Reply(content_type=EVENTS, body=recorded.raw("openai-text")))
    async with scripted.running() as url:
        harness.catalog(CATALOG.format(kind="openai", url=url, model="gpt-4o", more=""))
        async with harness.routing():
            sampling = chat_pb2.SamplingParams(temperature=0.7, seed=2**62, max_tokens=1)
            done = await harness.done(await harness.submit(asking(sampling=sampling)))

    assert done.attempts[0].chosen_because == "the only route"
