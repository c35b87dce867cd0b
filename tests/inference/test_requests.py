"""What callers may ask: every bad field is named, and nothing that was asked for is dropped silently."""

import json
from dataclasses import replace

import pytest
from tests.inference.calling import asking, json_schema

from weft.common.v1 import chat_pb2
from weft.inference.v1 import inference_pb2 as pb
from weft_inference.engines.engine import Description
from weft_inference.requests import MAX_TEXT_LENGTH, read_generation, read_rerank, read_texts
from weft_kit.rpc.errors import InvalidFields, Unsupported

ABLE = Description("llamacpp", "smol", 4096, frozenset({"prefix", "json"}))
PLAIN = Description("echo", "echo", 4096, frozenset())
TOOL = chat_pb2.Tool(name="clock", description="Tells the time.")


def with_message(**fields) -> pb.GenerateRequest:
    request = asking("hello")
    request.messages.insert(0, chat_pb2.Message(**fields))
    return request


def text(value: str) -> list[chat_pb2.ContentPart]:
    return [chat_pb2.ContentPart(text=value)]


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (pb.GenerateRequest(), "messages"),
        (asking("hello", model="other"), "model"),
        (asking(""), "messages[0].parts[0].text"),
        (with_message(parts=text("hi")), "messages[0].role"),
        (with_message(role=99, parts=text("hi")), "messages[0].role"),
        (with_message(role=chat_pb2.ROLE_USER), "messages[0].parts"),
        (with_message(role=chat_pb2.ROLE_USER, parts=[chat_pb2.ContentPart()]), "messages[0].parts[0]"),
        (with_message(role=chat_pb2.ROLE_TOOL, parts=text("hi")), "messages[0].tool_call_id"),
        (with_message(role=chat_pb2.ROLE_USER, parts=text("hi"), tool_call_id="1"), "messages[0].tool_call_id"),
        (
            with_message(role=chat_pb2.ROLE_USER, tool_calls=[chat_pb2.ToolCall(id="1", name="x")]),
            "messages[0].tool_calls",
        ),
        (asking("hello", temperature=-0.1), "sampling.temperature"),
        (asking("hello", temperature=float("nan")), "sampling.temperature"),
        (asking("hello", top_p=0.0), "sampling.top_p"),
        (asking("hello", top_k=0), "sampling.top_k"),
        (asking("hello", max_tokens=0), "sampling.max_tokens"),
        (asking("hello", presence_penalty=2.5), "sampling.presence_penalty"),
        (asking("hello", stop=["x"] * 9), "sampling.stop"),
        (asking("hello", stop=["ok", ""]), "sampling.stop[1]"),
        (asking("hello", tools=[chat_pb2.Tool(name="no spaces")]), "tools[0].name"),
        (asking("hello", tool_choice=chat_pb2.TOOL_CHOICE_REQUIRED), "tool_choice"),
        (asking("hello", response_format=json_schema("{")), "response_format.json_schema.schema_json"),
        (asking("hello", response_format=json_schema("[]")), "response_format.json_schema.schema_json"),
        *(
            (asking("hello", response_format=json_schema(schema)), "response_format.json_schema.schema_json")
            for schema in (
                '{"items":' * 130 + "{}" + "}" * 130,
                '{"enum": ["\\ud800"]}',
                '{"maximum": NaN}',
                '{"maxLength": 1000000000}',
                json.dumps({"enum": [f"v{i:05}" for i in range(8300)]}),
                '{"$ref": "http://127.0.0.1:1/x"}',
            )
        ),
    ],
)
def test_a_bad_field_is_named(request_, field):
    with pytest.raises(InvalidFields) as refused:
        read_generation(request_, ABLE)
    assert list(refused.value.violations) == [field]


@pytest.mark.parametrize("silent", [[], text("")])
def test_an_answer_and_a_result_may_be_without_a_word(silent):
    for said in ({"role": chat_pb2.ROLE_ASSISTANT}, {"role": chat_pb2.ROLE_TOOL, "tool_call_id": "1"}):
        read_generation(with_message(parts=silent, **said), replace(ABLE, capabilities=frozenset({"tools"})))


def test_an_answer_to_continue_belongs_in_prefix():
    request = asking("hello")
    request.messages.append(chat_pb2.Message(role=chat_pb2.ROLE_ASSISTANT, parts=text("Well")))
    with pytest.raises(InvalidFields, match="prefix"):
        read_generation(request, ABLE)


def test_every_bad_field_is_named_at_once():
    with pytest.raises(InvalidFields) as refused:
        read_generation(asking("hello", temperature=9, max_tokens=-1, model="other"), ABLE)
    assert set(refused.value.violations) == {"model", "sampling.temperature", "sampling.max_tokens"}


@pytest.mark.parametrize(
    ("request_", "capability"),
    [
        (asking("hello", prefix="Well"), "prefix"),
        (asking("hello", response_format=json_schema("{}")), "json"),
        (asking("hello", tools=[TOOL]), "tools"),
    ],
)
def test_what_the_engine_cannot_do_is_refused_not_ignored(request_, capability):
    with pytest.raises(Unsupported) as refused:
        read_generation(request_, PLAIN)
    assert refused.value.metadata == {"capability": capability}


def test_tools_that_must_not_be_called_are_no_reason_to_refuse():
    request = asking("hello", tools=[TOOL], tool_choice=chat_pb2.TOOL_CHOICE_NONE)
    assert read_generation(request, PLAIN).turns[0].text == "hello"


def test_only_given_sampling_fields_are_passed_on():
    sampling = read_generation(asking("hello", temperature=0, seed=7), ABLE).sampling
    assert (sampling.temperature, sampling.seed, sampling.top_p, sampling.max_tokens) == (0, 7, None, None)


@pytest.mark.parametrize(
    ("texts", "field"),
    [([], "texts"), (["a"] * 5, "texts"), (["a", "  "], "texts[1]"), (["a" * (MAX_TEXT_LENGTH + 1)], "texts[0]")],
)
def test_texts_must_be_few_enough_and_neither_empty_nor_huge(texts, field):
    with pytest.raises(InvalidFields) as refused:
        read_texts(texts, "texts", limit=4)
    assert list(refused.value.violations) == [field]


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (pb.RerankRequest(documents=["a"]), "query"),
        (pb.RerankRequest(query="q"), "documents"),
        (pb.RerankRequest(query="q", documents=["a"], top_k=-1), "top_k"),
    ],
)
def test_a_bad_rerank_field_is_named(request_, field):
    with pytest.raises(InvalidFields) as refused:
        read_rerank(request_)
    assert list(refused.value.violations) == [field]


def test_an_answer_held_to_a_schema_is_not_continued():
    with pytest.raises(Unsupported) as refused:
        read_generation(asking("hello", prefix='{"a": ', response_format=json_schema("{}")), ABLE)
    assert refused.value.metadata == {"capability": "prefix"}
