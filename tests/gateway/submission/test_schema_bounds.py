"""JSON Schemas at submission: each bound with its place, and a check that costs no more than the schema is long."""

import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from tests.support.cost import cost_of

from weft.common.v1 import chat_pb2
from weft.job.v1 import job_pb2
from weft_gateway.submission.validation import check
from weft_kit.rpc.errors import InvalidFields
from weft_kit.validation.json_schemas import read_schema, written_out
from weft_kit.validation.json_values import BadJson

TOOL_PATH = "request.tools[0].parameters_schema"
FORM_PATH = "request.response_format.json_schema.schema_json"


def doubled(levels: int, keyword: str = "allOf") -> dict[str, Any]:
    """Returns a schema of `levels` definitions, each of which is two of the next."""
    definitions: dict[str, Any] = {f"d{i}": {keyword: [{"$ref": f"#/$defs/d{i + 1}"}] * 2} for i in range(levels)}
    return {"$defs": definitions | {f"d{levels}": {"type": "string"}}, "$ref": "#/$defs/d0"}


def chained(links: int) -> dict[str, Any]:
    definitions: dict[str, Any] = {f"d{i}": {"$ref": f"#/$defs/d{i + 1}"} for i in range(links)}
    return {"$defs": definitions | {f"d{links}": {}}}


def nested(levels: int) -> str:
    return '{"items":' * levels + "{}" + "}" * levels


def text_of(schema: Any) -> str:
    return schema if isinstance(schema, str) else json.dumps(schema)


def asking(**fields: Any) -> job_pb2.GenerationRequest:
    message = chat_pb2.Message(role=chat_pb2.ROLE_USER, parts=[chat_pb2.ContentPart(text="hello")])
    return job_pb2.GenerationRequest(model="default", messages=[message], **fields)


def violations(request: job_pb2.GenerationRequest) -> dict[str, str]:
    try:
        check("", request, ["default"])
    except InvalidFields as invalid:
        return invalid.violations
    return {}


REFUSED: dict[str, tuple[Any, str]] = {
    "no JSON": ('{"a"', "is not JSON at offset 4: Expecting ':' delimiter"),
    "no object": ([], "must be a JSON Schema, written as a JSON object"),
    "bytes": ({"description": "x" * 131072}, "has 131091 bytes, at most 131072 are taken"),
    "levels": (nested(64), "is nested deeper than 64 levels"),
    "130 levels": (nested(130), "is nested deeper than 64 levels"),
    "100,000 levels": ("[" * 100_000, "is nested deeper than 64 levels"),
    "values": ({"examples": [0] * 10_000}, "holds more than 10000 values"),
    "NaN": ('{"maximum": NaN}', '"/maximum" is NaN, which JSON does not have'),
    "infinity": ('{"enum": [1, -Infinity]}', '"/enum/1" is -Infinity, which JSON does not have'),
    "infinite": ('{"maximum": 1e999}', '"/maximum" is 1e999, which is larger than other readers\' numbers'),
    "digits": ('{"maximum": ' + "9" * 5000 + "}", '"/maximum" is a number of 5000 characters, at most 64 are taken'),
    "surrogate": ('{"enum": ["\\ud800"]}', '"/enum/0" holds half of a surrogate pair, which no text has'),
    "surrogate name": (
        '{"properties": {"\\udfff": {}}}',
        '"/properties" has a name that holds half of a surrogate pair, which no text has',
    ),
    "twice": ('{"properties": {"a": {}, "a": {}}}', '"/properties" has the name "a" twice'),
    "enum": ({"properties": {"a/b": {"enum": [*range(2001)]}}}, '"/properties/a~1b/enum" holds 2001 values, at most'),
    "an enum of 83 KB": ({"enum": [f"v{i:05}" for i in range(8300)]}, '"/enum" holds 8300 values, at most 2000'),
    "properties": ({"properties": {f"p{i}": {} for i in range(1001)}}, '"/properties" holds 1001 names, at most 1000'),
    "choices": ({"anyOf": [{}] * 257}, '"/anyOf" holds 257 schemas, at most 256 are taken'),
    "schemas": ({"$defs": {f"d{i}": {"items": {"items": {}}} for i in range(700)}}, "holds more than 2000 schemas"),
    "items": ({"maxItems": 1e9}, '"/maxItems" must be at most 10000, is 1e+09'),
    "length": ({"items": {"maxLength": 10**9}}, '"/items/maxLength" must be at most 1000000, is 1e+09'),
    "pattern": ({"pattern": "a" * 1001}, '"/pattern" is a pattern of 1001 characters, at most 1000 are taken'),
    "repetition": ({"pattern": "a{0,1000000}"}, '"/pattern" is too large a pattern: at most 10000 characters'),
    "repetitions": ({"pattern": "((a{0,99}){0,99}){0,99}"}, '"/pattern" is too large a pattern'),
    "a long count": ({"patternProperties": {"a{" + "9" * 30 + "}": {}}}, "is too large a pattern"),
    "elsewhere": ({"$ref": "http://127.0.0.1:1/x"}, '"/$ref" must begin with #: a schema elsewhere is not fetched'),
    "no text": ({"$ref": 5}, '"/$ref" must begin with #'),
    "nowhere": ({"$ref": "#/$defs/a"}, '"/$ref" names no schema within this one'),
    "no schema": ({"a": {}, "$ref": "#/a"}, '"/$ref" names no schema within this one'),
    "a base of its own": ({"items": {"$id": "urn:x"}}, '"/items/$id" may stand in the outermost schema alone'),
    "itself": ({"$ref": "#"}, '"" refers to itself'),
    "itself among others": ({"$defs": {"a": {"anyOf": [{}, {"$ref": "#/$defs/a"}]}}}, "refers to itself"),
    "doubling": (doubled(20), "expands to more than 2000 schemas; use fewer references"),
    "doubling alternatives": (doubled(20, "anyOf"), "expands to more than 2000 schemas; use fewer references"),
    "a chain": (chained(65), "references"),
    "expansion in all": (
        {"$defs": {"a": {"anyOf": [{}] * 150}}, "properties": {f"p{i}": {"$ref": "#/$defs/a"} for i in range(150)}},
        "expands to more than 20000 schemas; use fewer references",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_schema_beyond_a_bound_is_refused_with_its_place_and_the_limit(name: str) -> None:
    schema, problem = REFUSED[name]
    tool = chat_pb2.Tool(name="f", parameters_schema=text_of(schema))
    form = chat_pb2.JsonSchemaFormat(name="n", schema_json=text_of(schema))
    found = violations(asking(tools=[tool], response_format=chat_pb2.ResponseFormat(json_schema=form)))

    assert list(found) == [TOOL_PATH, FORM_PATH]
    assert problem in found[FORM_PATH]
    assert len(found[FORM_PATH]) < 400


@pytest.mark.parametrize(
    "schema",
    [
        {},
        {"$schema": "http://json-schema.org/draft-07/schema#", "$id": "urn:mine", "items": [{}, True]},
        {"properties": {"next": {"$ref": "#"}, "$id": {"type": "string"}, "$ref": {"type": "string"}}},
        {"$defs": {"a": {"anyOf": [{"type": "array", "items": {"$ref": "#/$defs/a"}}, {}]}}, "$ref": "#/$defs/a"},
        {"$defs": {"a b": {"$anchor": "here"}}, "anyOf": [{"$ref": "#here"}, {"$ref": "#/$defs/a%20b"}]},
        {"definitions": {"a": True}, "items": {"$ref": "#/definitions/a"}},
        {"properties": {"a": {"properties": {"b": {}}}}, "items": {"$ref": "#/properties/a/properties/b"}},
        {"const": {"$ref": "http://example.org"}, "default": {"maxItems": 1e9}, "enum": [{"pattern": "a{99999}"}]},
        {"enum": [f"country {i}" for i in range(2000)]},
        {"maxLength": 1_000_000, "maxItems": 10_000, "pattern": "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"},
        doubled(8),
        nested(60),
    ],
)
def test_a_schema_within_the_bounds_is_taken(schema: Any) -> None:
    assert read_schema(text_of(schema)) == json.loads(text_of(schema))


def test_the_schemas_of_all_tools_are_bounded_together() -> None:
    schema = json.dumps({"description": "x" * 50_000})
    tools = [chat_pb2.Tool(name=f"f{i}", parameters_schema=schema) for i in range(6)]
    assert violations(asking(tools=tools[:5])) == {}
    assert violations(asking(tools=tools)) == {
        "request.tools": "have schemas of 300114 bytes together, at most 262144 are taken"
    }


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ('{"a": "\\ud800"}', '"/a" holds half of a surrogate pair, which no text has'),
        ('{"a": ' * 130 + "1" + "}" * 130, "is nested deeper than 128 levels"),
        ('{"a": Infinity}', '"/a" is Infinity, which JSON does not have'),
        ('{"a": ' + "1" * 5000 + "}", '"/a" is a number of 5000 characters, at most 64 are taken'),
        ('{"a": 1, "a": ' + "[1]" * 2 + "}", "is not JSON at offset 17: Expecting ',' delimiter"),
    ],
)
def test_arguments_that_others_could_not_read_are_refused(arguments: str, problem: str) -> None:
    call = chat_pb2.ToolCall(id="1", name="f", arguments_json=arguments)
    request = asking()
    request.messages.insert(0, chat_pb2.Message(role=chat_pb2.ROLE_ASSISTANT, tool_calls=[call]))
    assert violations(request) == {"request.messages[0].tool_calls[0].arguments_json": problem}


GROWING: dict[str, Callable[[int], Any]] = {
    "enum": lambda n: {"enum": [f"v{i}" for i in range(n)]},
    "numbers": lambda n: "[" + "1," * n + "1]",
    "names": lambda n: {"properties": {f"p{i}": {"type": "string"} for i in range(n // 8)}},
    "a name twice": lambda n: "{" + ",".join(f'"p{i}":0' for i in range(n)) + ',"p0":0}',
    "references": lambda n: {"$defs": {"a": {}}, "anyOf": [{"$ref": "#/$defs/a"} for _ in range(n // 32)]},
    "long references": lambda n: {"anyOf": [{"$ref": "#" + "/anyOf/0" * (n // 64)} for _ in range(32)]},
    "a chain of references": lambda n: chained(n // 8),
    "doubling": lambda n: doubled(n // 64),
    "braces": lambda n: "[" * n,
    "an open text": lambda n: '{"a": "' + '\\"' * n,
    "long names": lambda n: {"properties": {"x" * 8 * n: {"maxItems": 1e9}}},
    "digits": lambda n: '{"a": ' + "9" * 8 * n + "}",
    "repetitions": lambda n: {"patternProperties": {"a{1}" * 250 + str(i): {} for i in range(n // 64)}},
    "open repetitions": lambda n: {"pattern": "a{" * 8 * n},
}


@pytest.mark.parametrize("shape", GROWING)
def test_twice_the_schema_costs_no_more_than_about_twice_the_time(shape: str) -> None:
    def cost(n: int) -> float:
        text = text_of(GROWING[shape](n))

        def read_or_refuse() -> None:
            with suppress(BadJson):
                read_schema(text)

        return cost_of(read_or_refuse)

    # Whatever else the machine does, it does not do it three times.
    assert any(cost(4_000) < 3.2 * max(cost(2_000), 1e-4) for _ in range(3))


def test_a_pattern_is_measured_with_its_repetitions_written_out() -> None:
    assert written_out("abc") == 3
    assert written_out("a{10}b{2,}c{,5}") < 40
    assert written_out("(a{10}){10}") >= 100
    assert written_out("(((a{9999}){9999}){9999}){9999}") > 10_000_000
