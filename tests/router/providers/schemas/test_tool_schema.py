"""Schemas of tools' arguments as providers take them: an object at the root, and told in words what they refuse there.

From langchain-ai/langchainjs#9804, spring-projects/spring-ai#4776 (OpenAI), dearlordylord/huly-mcp#66,
anomalyco/opencode#35516 (Anthropic), diegosouzapw/OmniRoute#3360, brainlid/langchain#183 (Gemini).
"""

import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from tests.router.providers.http.harness import KINDS

from weft.common.v1 import chat_pb2
from weft.inference.v1 import inference_pb2
from weft_router.providers.schemas.tool_schema import object_schema

EMPTY = {"type": "object", "properties": {}}
TEXT = {"type": "string"}


@pytest.mark.parametrize(
    ("schema", "sent"),
    [
        (None, EMPTY),
        (True, EMPTY),
        ({}, EMPTY),
        ({"type": "object"}, EMPTY),
        ({"properties": {"a": TEXT}}, {"type": "object", "properties": {"a": TEXT}}),
        ({"type": ["object", "null"]}, EMPTY),
        (
            {"$ref": "#/definitions/Args", "definitions": {"Args": {"type": "object", "properties": {"a": TEXT}}}},
            {
                "type": "object",
                "properties": {"a": TEXT},
                "definitions": {"Args": {"type": "object", "properties": {"a": TEXT}}},
            },
        ),
        (
            {
                "type": "object",
                "properties": {"a": TEXT, "b": TEXT},
                "anyOf": [{"required": ["a"]}, {"required": ["b"]}],
                "description": "One of two.",
            },
            {
                "type": "object",
                "properties": {"a": TEXT, "b": TEXT},
                "description": 'One of two.\n\n{"anyOf": [{"required": ["a"]}, {"required": ["b"]}]}',
            },
        ),
    ],
)
def test_the_root_is_an_object_with_properties(schema: Any, sent: dict[str, Any]) -> None:
    assert object_schema(schema) == sent


@pytest.mark.parametrize("keyword", ["anyOf", "oneOf", "allOf"])
def test_properties_of_every_alternative_may_be_given(keyword: str) -> None:
    parts = [{"type": "object", "properties": {"a": TEXT}}, {"type": "object", "properties": {"b": TEXT}}, True]
    sent = object_schema({keyword: parts})

    assert (sent["type"], sent["properties"]) == ("object", {"a": TEXT, "b": TEXT})
    assert json.loads(sent["description"]) == {keyword: parts}


ANY_TEXTS = {"type": "array", "items": {}}


def nested(schema: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {"a": {"type": "array", "items": {"type": "object", "properties": {"b": schema}}}},
    }


# OpenAI: streamnative/streamnative-mcp-server#26, langgenius/dify#32894, campfirein/byterover-cli#42 ("array schema
# missing items"). Anthropic: kintone/mcp-server#553, anthropics/claude-code#8900 ("It must match JSON Schema draft
# 2020-12"). Earlier drafts: json-schema.org/draft/2020-12/release-notes.
@pytest.mark.parametrize(
    ("schema", "sent"),
    [
        ({"type": "array"}, ANY_TEXTS),
        ({"type": ["string", "array"]}, {"type": ["string", "array"], "items": {}}),
        ({"type": "array", "items": [TEXT]}, {"type": "array", "prefixItems": [TEXT], "items": {}}),
        (
            {"type": "array", "items": [TEXT], "additionalItems": False},
            {"type": "array", "prefixItems": [TEXT], "items": False},
        ),
        ({"type": "array", "items": [{"type": "array"}]}, {"type": "array", "prefixItems": [ANY_TEXTS], "items": {}}),
        ({"type": "number", "minimum": 0, "exclusiveMinimum": True}, {"type": "number", "exclusiveMinimum": 0}),
        ({"type": "number", "maximum": 9, "exclusiveMaximum": False}, {"type": "number", "maximum": 9}),
        ({"type": "number", "exclusiveMinimum": True}, {"type": "number"}),
        ({"type": "STRING"}, {"type": "string"}),
        ({"type": "any", "title": "T"}, {"title": "T", "description": '{"type": "any"}'}),
        ({"type": "object", "required": None}, {"type": "object"}),
        (
            {"type": "object", "properties": {"c": {"type": "string", "required": True}, "d": TEXT}},
            {"type": "object", "properties": {"c": TEXT, "d": TEXT}, "required": ["c"]},
        ),
        (True, True),
    ],
)
def test_what_earlier_drafts_or_nobody_calls_so_is_put_as_the_latest_has_it(schema: Any, sent: Any) -> None:
    assert object_schema(nested(schema)) == nested(sent)
    Draft202012Validator.check_schema(object_schema(nested(schema)))


def test_a_property_may_be_called_as_a_keyword_is() -> None:
    schema = {"type": "object", "properties": {"type": {"type": "string"}, "items": ANY_TEXTS, "required": TEXT}}
    assert object_schema(schema) == schema


def test_the_schema_that_was_given_stays_as_it_is() -> None:
    schema = nested({"type": "array"})
    object_schema(schema)
    assert schema == nested({"type": "array"})


@pytest.mark.parametrize("kind", KINDS)
def test_a_tool_without_a_description_or_parameters_says_neither_emptily(kind: str) -> None:
    entry_type, wire_format = KINDS[kind]
    entry = entry_type.model_validate({"kind": kind, "base_url": "https://provider.test/v1"})
    asked = inference_pb2.GenerateRequest(tools=[chat_pb2.Tool(name="now")])
    [tool] = wire_format(entry).body(asked)["tools"]  # type: ignore[arg-type]

    assert {
        "openai": {"type": "function", "function": {"name": "now", "parameters": EMPTY}},
        "openai_responses": {"type": "function", "name": "now", "strict": False, "parameters": EMPTY},
        "anthropic": {"name": "now", "input_schema": EMPTY},
        "gemini": {"functionDeclarations": [{"name": "now", "description": "now"}]},
    }[kind] == tool
