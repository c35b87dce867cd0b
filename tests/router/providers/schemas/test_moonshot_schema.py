"""Schemas of tools in Moonshot's flavor, which Kimi demands.

The rules: MoonshotAI/walle, docs/mfjs-walle-vs-draft-2020-12.md; the threads stand beside them.
"""

from typing import Any

import pytest
from tests.router.chat import user

from weft.common.v1 import chat_pb2
from weft.inference.v1 import inference_pb2
from weft_kit.catalog.providers import OpenAIEntry
from weft_kit.validation.json_schemas import subschemas
from weft_router.providers.openai.chat import ChatCompletions
from weft_router.providers.openai.moonshot_schema import flavored

TEXT = {"type": "string"}
NOTHING = {"type": "null"}
ANYTHING = [{"type": name} for name in ("string", "number", "boolean", "object", "array", "null")]


def within(part: Any) -> dict[str, Any]:
    return {"type": "object", "properties": {"a": part}}


@pytest.mark.parametrize(
    ("schema", "sent"),
    [
        # "type is not defined": MoonshotAI/kimi-cli#1595, earendil-works/pi#4138
        ({"description": "D"}, {"description": "D", "anyOf": ANYTHING}),
        (True, {"anyOf": ANYTHING}),
        ({"enum": ["a", "b"]}, {"enum": ["a", "b"], "type": "string"}),
        ({"const": 3}, {"enum": [3], "type": "number"}),
        ({"properties": {"b": TEXT}}, {"properties": {"b": TEXT}, "type": "object"}),
        # `items`: "if present, it must be a single non-empty subschema"
        ({"type": "array", "items": {}}, {"type": "array"}),
        (
            {"type": "array", "prefixItems": [TEXT], "items": False},
            {"type": "array", "description": '{"items": false, "prefixItems": [{"type": "string"}]}'},
        ),
        # "when using anyOf, type should be defined in anyOf items": MoonshotAI/kimi-cli#2531
        ({"type": ["string", "null"], "anyOf": [TEXT, NOTHING]}, {"anyOf": [TEXT, NOTHING]}),
        ({"oneOf": [TEXT, NOTHING]}, {"anyOf": [TEXT, NOTHING]}),
        (
            {"type": "object", "properties": {"b": TEXT}, "anyOf": [{"required": ["b"]}]},
            {"type": "object", "properties": {"b": TEXT}, "description": '{"anyOf": [{"required": ["b"]}]}'},
        ),
        # "conflicting keywords found after $ref expansion": MoonshotAI/kimi-cli#2061; "when using $ref, type should be
        # defined in the referenced schema": router-for-me/CLIProxyAPI#5316
        ({"$ref": "#/$defs/n", "description": "D"}, {"anyOf": [{"$ref": "#/$defs/n"}], "description": "D"}),
        ({"$ref": "#/$defs/n", "type": "string"}, {"anyOf": [{"$ref": "#/$defs/n"}]}),
        # "references must start with #/$defs": CommandCodeAI/command-code#594
        ({"$ref": "#/definitions/n"}, {"$ref": "#/$defs/n"}),
        # `enum`: "Homogeneous literals only (float / int / str)"
        ({"type": "string", "enum": ["a", None]}, {"type": "string", "description": '{"enum": ["a", null]}'}),
        (
            {"type": "string", "pattern": "^a", "title": "T"},
            {"type": "string", "title": "T", "description": '{"pattern": "^a"}'},
        ),
        ({"type": "string", "$comment": "c", "examples": ["e"]}, TEXT),
        # "every name in `required` must appear in `properties`"
        (
            {"type": "object", "properties": {"b": TEXT}, "required": ["b", "c"]},
            {"type": "object", "properties": {"b": TEXT}, "required": ["b"]},
        ),
        ({"type": "object", "additionalProperties": {}}, {"type": "object", "additionalProperties": {}}),
        ({"allOf": [{"$ref": "#/$defs/n"}]}, {"$ref": "#/$defs/n"}),
        (
            {"allOf": [TEXT, {"minLength": 1}], "type": "string"},
            {"type": "string", "description": '{"allOf": [{"type": "string"}, {"minLength": 1}]}'},
        ),
    ],
)
def test_a_schema_is_put_as_moonshot_takes_it(schema: Any, sent: dict[str, Any]) -> None:
    assert flavored(within(schema)) == within(sent)


def test_definitions_stand_at_the_root_under_their_new_name() -> None:
    schema = {**within({"$ref": "#/definitions/n"}), "definitions": {"n": {"description": "any"}}}
    assert flavored(schema) == {
        **within({"$ref": "#/$defs/n"}),
        "$defs": {"n": {"description": "any", "anyOf": ANYTHING}},
    }


@pytest.mark.parametrize(
    ("model", "is_flavored"), [("kimi-k3", True), ("moonshotai/Kimi-K2.6", False), ("gpt-4o", False)]
)
def test_it_is_for_models_at_moonshots_own(model: str, is_flavored: bool) -> None:  # noqa: FBT001
    tool = chat_pb2.Tool(name="t", parameters_schema='{"type": "object", "properties": {"a": {"type": "array"}}}')
    asked = inference_pb2.GenerateRequest(model=model, messages=[user("q")], tools=[tool])
    entry = OpenAIEntry.model_validate({"kind": "openai", "base_url": "https://provider.test/v1"})
    [sent] = ChatCompletions(entry).body(asked)["tools"]

    parameters = sent["function"]["parameters"]
    assert parameters["properties"]["a"] == {"type": "array"} | ({} if is_flavored else {"items": {}})
    assert len(list(subschemas(parameters))) == 2 + (not is_flavored)
