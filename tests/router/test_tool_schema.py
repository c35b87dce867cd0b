"""Schemas of tools' arguments as providers take them: an object at the root, and told in words what they refuse there.

From langchain-ai/langchainjs#9804, spring-projects/spring-ai#4776 (OpenAI), dearlordylord/huly-mcp#66,
anomalyco/opencode#35516 (Anthropic), diegosouzapw/OmniRoute#3360, brainlid/langchain#183 (Gemini).
"""

import json
from typing import Any

import pytest
from tests.router.test_http_provider import KINDS

from weft.common.v1 import chat_pb2
from weft.inference.v1 import inference_pb2
from weft_router.providers.tool_schema import object_schema

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
