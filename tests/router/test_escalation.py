"""When a cheap answer is not good enough."""

import json
from typing import Any

import pytest

from weft.common.v1 import chat_pb2
from weft.job.v1 import event_pb2, job_pb2
from weft_kit.routing_entries import Escalation
from weft_router.escalation import meets_schema, shortcoming
from weft_router.transcript import Transcript

RULE = Escalation(to="big", shorter_than=10, refusals=(r"^i (can't|cannot)\b",))
CITY: dict[str, Any] = {"type": "object", "required": ["city"], "properties": {"city": {"type": "string"}}}


def said(text: str) -> Transcript:
    transcript = Transcript()
    transcript.add(event_pb2.Delta(text=text, token_count=1))
    return transcript


def wanting(schema: dict[str, Any]) -> job_pb2.GenerationRequest:
    wanted = chat_pb2.JsonSchemaFormat(name="city", schema_json=json.dumps(schema))
    return job_pb2.GenerationRequest(response_format=chat_pb2.ResponseFormat(json_schema=wanted))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("Paris is the capital of France.", None),
        ("Paris.", "shorter than 10 characters"),
        ("  \n  Paris.   ", "shorter than 10 characters"),
        ("I cannot help with that, sadly.", "a refusal"),
        ("Of course I cannot know for sure.", None),
    ],
)
def test_an_answer_is_judged_by_length_and_refusal(text: str, why: str | None) -> None:
    assert shortcoming(RULE, job_pb2.GenerationRequest(), said(text)) == why


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('{"city": "Paris"}', None),
        ('{"town": "Paris"}', "off its JSON schema"),
        ('{"city": "Par', "off its JSON schema"),
        ("[" * 100_000, "off its JSON schema"),
    ],
)
def test_an_answer_is_held_against_the_schema_it_was_asked_for(text: str, why: str | None) -> None:
    assert shortcoming(RULE, wanting(CITY), said(text)) == why


def test_a_call_of_a_tool_may_stand() -> None:
    calling = Transcript()
    calling.add(event_pb2.Delta(tool_calls=[event_pb2.ToolCallDelta(name="f", arguments_json="{}")]))

    assert shortcoming(RULE, job_pb2.GenerationRequest(), calling) is None


@pytest.mark.timeout(5)
def test_a_tenants_pattern_cannot_keep_the_process_busy() -> None:
    endless, text = "^(a+)+$", "a" * 40 + "!"
    assert meets_schema(json.dumps(text), json.dumps({"type": "string", "pattern": endless}))
    named = {"patternProperties": {endless: {"type": "string"}}, "additionalProperties": False}
    assert meets_schema(json.dumps({text: 1}), json.dumps(named))


def test_a_reference_of_a_tenants_schema_is_not_fetched() -> None:
    assert meets_schema("{}", json.dumps({"$ref": "http://127.0.0.1:1/schema.json"}))


def test_what_is_no_schema_is_not_held_against_an_answer() -> None:
    assert meets_schema("{}", '{"type": "no such type"}')
    assert meets_schema("{}", "{")
