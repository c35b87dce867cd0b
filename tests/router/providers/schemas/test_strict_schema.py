"""Which schemas are enforced, and how they are written for it; the others go loose.

The rules are OpenAI's guide to structured outputs (platform.openai.com/docs/guides/structured-outputs, "Supported
schemas") and Anthropic's (docs.claude.com, "Structured outputs", "JSON Schema limitations"); the threads where people
met them are named beside.
"""

import json
from typing import Any

import pytest
from tests.support.cost import assert_linear

from weft.common.v1 import chat_pb2
from weft_router.providers.gemini.schema import known
from weft_router.providers.schemas.strict_schema import (
    CLAUDE,
    OPENAI,
    OPENAI_PLAIN,
    enforced,
)
from weft_router.validation.response_format import fault_of

TEXT = {"type": "string"}


def closed(**properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def opened(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties)}


@pytest.mark.parametrize(
    "schema",
    [
        closed(city=TEXT),
        closed(),
        closed(a={"type": ["string", "null"]}, b={"type": "array", "items": closed(c={"type": "integer"})}),
        closed(a={"anyOf": [TEXT, {"type": "null"}]}),
        closed(a={"type": "string", "enum": ["x", "y"]}, b={"type": "integer", "const": 1}),
        closed(a={"$ref": "#/$defs/part"}) | {"$defs": {"part": closed(n={"type": "number"})}},
        closed(a={"$ref": "#/definitions/part"}) | {"definitions": {"part": closed(n={"type": "number"})}},
        closed(next={"anyOf": [{"$ref": "#"}, {"type": "null"}]}),  # recursion is taken
        closed(a={"type": "number", "minimum": 0, "exclusiveMaximum": 5, "multipleOf": 0.5}),
        closed(a={"type": "array", "items": TEXT, "minItems": 1, "maxItems": 3}),
        closed(a={"type": "string", "pattern": "^a+$", "format": "date-time"}),
    ],
    ids=lambda schema: json.dumps(schema)[:80],
)
def test_a_schema_that_is_strict_is_enforced_as_it_is(schema: dict[str, Any]) -> None:
    assert enforced(schema, OPENAI) == schema


@pytest.mark.parametrize(
    "schema",
    [
        # An optional property: juspay/neurolink#1691, confident-ai/deepeval#2930, openai/openai-agents-python#3927.
        {"type": "object", "properties": {"city": TEXT, "note": TEXT}, "required": ["city"]},
        {"type": "object", "properties": {"city": TEXT}},
        # Any names: pydantic/pydantic-ai's transformer and openai/openai-agents-python refuse to close these.
        {"type": "object"},
        {"type": "object", "properties": {}},
        {"type": "object", "additionalProperties": TEXT},
        closed(a=TEXT) | {"additionalProperties": True},
        opened(a={"type": "object", "additionalProperties": {"type": "number"}}),
        closed(a=TEXT) | {"patternProperties": {"^x": TEXT}},
        # "The root schema must be an object and not be an anyOf".
        {"type": "array", "items": TEXT},
        {"anyOf": [closed(a=TEXT), closed(b=TEXT)]},
        closed(a=TEXT) | {"anyOf": [closed(a=TEXT)]},
        {},
        True,
        [],
        # "Not supported: allOf, not, dependentRequired, dependentSchemas, if, then, else".
        closed(a={"allOf": [TEXT]}),
        closed(a={"oneOf": [TEXT, {"type": "null"}]}),
        closed(a={"not": TEXT}),
        closed(a=TEXT) | {"if": {}, "then": {}},
        closed(a=TEXT) | {"dependentRequired": {"a": ["a"]}},
        # pydantic/pydantic-ai#4425: items must have a type.
        closed(a={"type": "array"}),
        closed(a={"type": "array", "items": {}}),
        closed(a={"type": "array", "items": True}),
        closed(a={"type": "array", "prefixItems": [TEXT]}),
        closed(a={"description": "anything"}),
        closed(a={"type": "string", "minLength": 1}),
        closed(a={"type": "array", "items": TEXT, "uniqueItems": True}),
        closed(a={"type": "string", "pattern": "(?=a)b"}),
        closed(a={"type": "string", "pattern": "(a)\\1"}),
        closed(a={"type": "number", "minimum": 0, "exclusiveMinimum": True}),  # draft 4
        closed(a={"type": "any"}),
        closed(a={"enum": []}),
        closed(a={"enum": [{"b": 1}]}),
        closed(a={"$ref": "#/properties/b"}, b=TEXT),
        closed(a={"$ref": "https://example.org/schema"}),
        closed(a={"$ref": "#/$defs/p", "type": "object"}) | {"$defs": {"p": closed()}},
        closed(a=TEXT) | {"required": ["a", "b"]},
        closed(a=closed(b=TEXT) | {"$defs": {"p": TEXT}}),
    ],
    ids=lambda schema: json.dumps(schema)[:80],
)
def test_a_schema_that_cannot_be_strict_and_mean_the_same_goes_loose(schema: Any) -> None:
    assert enforced(schema, OPENAI) is None


def test_objects_that_say_nothing_of_other_properties_are_closed() -> None:
    schema = opened(a=opened(b=TEXT), c={"type": "array", "items": opened(d=TEXT)})
    assert enforced(schema, OPENAI) == closed(a=closed(b=TEXT), c={"type": "array", "items": closed(d=TEXT)})


def test_what_only_describes_is_left_out_where_it_is_refused() -> None:
    schema = opened(a={"type": "string", "default": "x", "examples": ["y"], "title": "A", "format": "uri"})
    schema |= {"$schema": "http://json-schema.org/draft-07/schema#", "$id": "https://example.org/a"}

    assert enforced(schema, OPENAI) == closed(a={"type": "string", "title": "A"})


def test_a_reference_beside_a_description_stands_in_a_union_of_its_own() -> None:
    schema = closed(a={"$ref": "#/$defs/p", "description": "a part"}) | {"$defs": {"p": closed(b=TEXT)}}

    strict = enforced(schema, OPENAI)
    assert strict
    assert strict["properties"]["a"] == {"description": "a part", "anyOf": [{"$ref": "#/$defs/p"}]}


def test_a_root_that_is_but_a_reference_is_what_it_names() -> None:
    """As pydantic writes a model that holds itself, and zod-to-json-schema every one."""
    node = closed(next={"anyOf": [{"$ref": "#/$defs/Node"}, {"type": "null"}]})
    assert enforced({"$ref": "#/$defs/Node", "$defs": {"Node": node}}, OPENAI) == node | {"$defs": {"Node": node}}
    assert enforced({"$ref": "#/$defs/Other", "$defs": {"Node": node}}, OPENAI) is None


def test_values_without_a_type_are_given_theirs() -> None:
    strict = enforced(closed(a={"enum": ["x", None]}, b={"const": True}), OPENAI)
    assert strict
    assert (strict["properties"]["a"]["type"], strict["properties"]["b"]["type"]) == (["null", "string"], "boolean")


def nested(levels: int) -> dict[str, Any]:
    schema = closed(a=TEXT)
    for _ in range(levels - 1):
        schema = closed(a=schema)
    return schema


@pytest.mark.parametrize(
    ("within", "beyond"),
    [
        (nested(10), nested(11)),
        (
            closed(a={"type": "string", "enum": [f"{n}" for n in range(1000)]}),
            closed(a={"type": "string", "enum": [f"{n}" for n in range(1001)]}),
        ),
        (
            closed(a={"type": "string", "enum": [f"{n:060}" for n in range(250)]}),
            closed(a={"type": "string", "enum": [f"{n:060}" for n in range(251)]}),
        ),
        (closed(**{"x" * 120_000: TEXT}), closed(**{"x" * 120_001: TEXT})),
        (
            closed(**{f"o{n}": closed(**{f"p{m}": TEXT for m in range(99)}) for n in range(50)}),
            closed(**{f"o{n}": closed(**{f"p{m}": TEXT for m in range(100)}) for n in range(50)}),
        ),
    ],
    ids=["levels", "values", "a long enum", "characters", "properties"],
)
def test_the_documented_limits_are_kept(within: dict[str, Any], beyond: dict[str, Any]) -> None:
    assert enforced(within, OPENAI) is not None
    assert enforced(beyond, OPENAI) is None


@pytest.mark.parametrize("bound", [{"minimum": 0}, {"pattern": "a"}, {"minItems": 1}])
def test_where_fewer_keywords_are_taken_fewer_schemas_are_enforced(bound: dict[str, Any]) -> None:
    """Azure's guide to structured outputs and OpenAI's on fine-tuned models ("unsupported type-specific keywords")."""
    schema = closed(a={"type": ["string", "number"]} | bound)
    assert enforced(schema, OPENAI) is not None
    assert enforced(schema, OPENAI_PLAIN) is None
    assert enforced(closed(a=TEXT), OPENAI_PLAIN) == closed(a=TEXT)


@pytest.mark.parametrize(
    ("schema", "document"),
    [
        (opened(a=opened(b=TEXT)), {"a": {"b": "x"}}),
        (closed(a={"type": "string", "format": "uri", "default": 1}), {"a": "no uri"}),
        ({"$ref": "#/$defs/p", "$defs": {"p": opened(b=TEXT)}}, {"b": "x"}),
    ],
)
def test_what_a_strict_schema_lets_through_is_what_was_asked_for(schema: dict[str, Any], document: object) -> None:
    for judged in (schema, enforced(schema, OPENAI), enforced(schema, CLAUDE)):
        wanted = chat_pb2.JsonSchemaFormat(schema_json=json.dumps(judged))
        assert fault_of(chat_pb2.ResponseFormat(json_schema=wanted), json.dumps(document)) is None


def test_claude_may_leave_properties_out() -> None:
    schema = {"type": "object", "properties": {"city": TEXT, "note": TEXT}, "required": ["city"]}
    assert enforced(schema, CLAUDE) == schema | {"additionalProperties": False}


def test_claude_is_told_the_constraints_that_it_is_not_held_to() -> None:
    """As Anthropic's SDK does (anthropic-sdk-python, transform_schema)."""
    schema = closed(
        a={"type": "integer", "description": "How many.", "minimum": 1, "maximum": 9},
        b={"type": "array", "items": TEXT, "minItems": 1, "maxItems": 3},
        c={"type": "array", "items": TEXT, "minItems": 2},
        d={"type": "string", "format": "iri", "maxLength": 5},
        e={"oneOf": [TEXT, {"type": "null"}]},
    )
    strict = enforced(schema, CLAUDE)
    assert strict
    assert strict["properties"] == {
        "a": {"type": "integer", "description": 'How many.\n\n{"minimum": 1, "maximum": 9}'},
        "b": {"type": "array", "items": TEXT, "minItems": 1, "description": '{"maxItems": 3}'},
        "c": {"type": "array", "items": TEXT, "description": '{"minItems": 2}'},
        "d": {"type": "string", "description": '{"format": "iri", "maxLength": 5}'},
        "e": {"anyOf": [TEXT, {"type": "null"}]},
    }


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object"},
        {"type": "object", "additionalProperties": TEXT},  # ax-llm/ax#459, pydantic/pydantic-ai's warning
        closed(next={"anyOf": [{"$ref": "#"}, {"type": "null"}]}),
        {"$ref": "#/$defs/a", "$defs": {"a": closed(b={"$ref": "#/$defs/b"}), "b": closed(a={"$ref": "#/$defs/a"})}},
        {"type": "object", "properties": {f"p{n}": TEXT for n in range(25)}},  # 24 may be optional
        closed(**{f"u{n}": {"anyOf": [TEXT, {"type": "null"}]} for n in range(17)}),  # 16 may be unions
        closed(**{f"u{n}": {"type": ["string", "null"]} for n in range(17)}),
        {"$ref": "#/$defs/Node", "$defs": {"Node": closed(next={"$ref": "#/$defs/Node"})}},
        closed(a={"anyOf": [TEXT], "oneOf": [TEXT]}),
        closed(a={"enum": [[1]]}),
    ],
)
def test_what_claude_cannot_be_held_to_is_asked_for_in_words(schema: dict[str, Any]) -> None:
    assert enforced(schema, CLAUDE) is None


def test_hostile_schemas_take_time_in_proportion_to_their_length() -> None:
    def chain(size: int) -> str:
        parts = {f"d{n}": closed(a={"$ref": f"#/$defs/d{n + 1}"}) for n in range(size)} | {f"d{size}": closed()}
        return json.dumps(closed(a={"$ref": "#/$defs/d0"}) | {"$defs": parts})

    assert_linear(lambda text: enforced(json.loads(text), CLAUDE), chain, 64)


def test_a_schema_nested_without_end_goes_loose() -> None:
    schema: dict[str, Any] = TEXT
    for _ in range(5_000):
        schema = {"type": "array", "items": schema}
    assert enforced(closed(a=schema), OPENAI) is None


def test_gemini_is_sent_the_keywords_that_it_knows() -> None:
    """Google's reference of responseJsonSchema: "only the following properties are supported"."""
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": {
            "kind": {"const": "a", "default": "a"},
            "flag": {"type": "boolean", "enum": [True]},
            "n": {"type": "integer", "minimum": 1, "exclusiveMaximum": 5},
            "part": {"$ref": "#/definitions/part", "description": "a part"},
            "never": False,
            "any": True,
        },
        "additionalProperties": False,
        "definitions": {"part": {"type": "array", "items": {"oneOf": [TEXT]}, "uniqueItems": True}},
        "patternProperties": {"^x": TEXT},
    }
    assert known(schema) == {
        "type": "object",
        "properties": {
            "kind": {"enum": ["a"]},
            "flag": {"type": "boolean", "description": '{"enum": [true]}'},
            "n": {"type": "integer", "minimum": 1, "description": '{"exclusiveMaximum": 5}'},
            "part": {"$ref": "#/$defs/part"},
            "any": {},
        },
        "additionalProperties": False,
        "$defs": {"part": {"type": "array", "items": {"oneOf": [TEXT]}, "description": '{"uniqueItems": true}'}},
        "description": '{"patternProperties": {"^x": {"type": "string"}}}',
    }


# How Pydantic 1 and others refer to a type and say more of it: fastapi/fastapi#4774
@pytest.mark.parametrize(
    ("schema", "sent"),
    [
        ({"allOf": [{"$ref": "#/$defs/a"}]}, {"$ref": "#/$defs/a"}),
        ({"allOf": [TEXT], "title": "T"}, {"title": "T", "type": "string"}),
        (
            {"allOf": [TEXT, {"minLength": 1}], "description": "D"},
            {"description": 'D\n\n{"allOf": [{"type": "string"}, {"minLength": 1}]}'},
        ),
        ({"type": "string", "pattern": "^a"}, {"type": "string", "description": '{"pattern": "^a"}'}),
    ],
)
def test_gemini_is_told_in_words_what_it_does_not_know(schema: dict[str, Any], sent: dict[str, Any]) -> None:
    assert known(schema) == sent
