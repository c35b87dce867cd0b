"""Grammars out of JSON Schemas: what the engine could not hold an answer to is refused, and none costs much to read."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from tests.support.cost import cost_of

from weft_inference.engines.grammar import MOST_ITEMS, MOST_PROPERTIES, are_read, grammar_of
from weft_kit.rpc.errors import InvalidFields

FIELD = "response_format.json_schema.schema_json"


def an_object(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties)}


def schema_in(grammar: str) -> Any:
    return json.loads(grammar.partition("%json ")[2])


def refusal(schema: Any) -> str:
    with pytest.raises(InvalidFields) as refused:
        grammar_of(schema)
    assert list(refused.value.violations) == [FIELD]
    return refused.value.violations[FIELD]


def test_the_engine_is_built_with_the_library_that_reads_grammars() -> None:
    assert are_read()


@pytest.mark.parametrize(
    ("schema", "problem"),
    [
        (
            {"type": "no such type"},
            "cannot be turned into a grammar by the engine (Invalid type: no such type); simplify",
        ),
        ({"type": "string", "pattern": "^(?=a)b"}, "look-around"),
        ({"$defs": {"a": {"allOf": [an_object(a={"$ref": "#/$defs/a"})] * 2}}, "$ref": "#/$defs/a"}, "circular"),
        (an_object(**{f"p{i}": {} for i in range(MOST_PROPERTIES + 1)}), '"/properties" holds 401 names, at most 400'),
        (
            an_object(a={"type": "array", "maxItems": 1500}, b={"type": "array", "minItems": 1500}),
            "more than 2000 items",
        ),
        (
            {"allOf": [{"anyOf": [an_object(**{f"p{i}": {"const": j}}) for j in range(60)]} for i in range(2)]},
            "simplify",
        ),
    ],
)
def test_what_an_answer_cannot_be_held_to_is_refused_with_the_reason(schema: Any, problem: str) -> None:
    assert problem in refusal(schema)


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "array", "uniqueItems": True, "contains": {"const": 1}},
        {"not": {"type": "string"}, "if": {}, "then": {}},
        {"oneOf": [an_object(a={}), an_object(b={})]},
        {"type": "string", "format": "nobody-knows"},
        {"type": "string", "title": "A name", "frobnicate": 1},
        {"$schema": "http://json-schema.org/draft-07/schema#", "definitions": {"a": {}}, "$ref": "#/definitions/a"},
    ],
)
def test_a_keyword_that_grammars_do_not_know_is_left_to_who_checks_the_answer(schema: Any) -> None:
    assert schema_in(grammar_of(schema)).items() >= schema.items()


def test_divisors_are_left_out_and_properties_of_that_name_are_not() -> None:
    """A common multiple of three divisors took the engine's thread for fifty seconds."""
    number = {"type": "integer", "allOf": [{"multipleOf": divisor} for divisor in (97, 89, 83)]}
    schema = an_object(multipleOf={"type": "string"}, n=number)
    kept = schema_in(grammar_of(schema))

    assert kept["properties"] == {"multipleOf": {"type": "string"}, "n": {"type": "integer", "allOf": [{}, {}, {}]}}
    assert number["allOf"][0] == {"multipleOf": 97}


def test_a_schema_does_not_set_the_librarys_options() -> None:
    mine = {"x-guidance": {"whitespace_pattern": "(a|b){0,9999}", "lenient": False}}
    kept = schema_in(grammar_of(an_object(a=mine) | mine))
    assert kept["x-guidance"]["lenient"]
    assert kept["properties"] == {"a": {}}


GROWING: dict[str, Callable[[int], Any]] = {
    "enum": lambda n: {"enum": [f"v{i}" for i in range(4 * n)]},
    "required properties": lambda n: an_object(**{f"p{i}": {"type": "string"} for i in range(n)}),
    "optional properties": lambda n: {"type": "object", "properties": {f"p{i}": {"type": "string"} for i in range(n)}},
    "alternatives": lambda n: {"anyOf": [an_object(p={"type": "string"}, **{f"q{i}": {}}) for i in range(n // 2)]},
    "items": lambda n: {"type": "array", "minItems": 2 * n, "maxItems": 4 * n},
    "lengths": lambda n: {"type": "string", "maxLength": 2000 * n},
    "repetitions": lambda n: {"type": "string", "pattern": f"^(a?b?){{0,{n}}}$"},
    "nested repetitions": lambda n: {"type": "string", "pattern": f"^((a{{0,{n // 20}}}b?){{0,20}}c?){{0,20}}$"},
    "patterns": lambda n: an_object(**{f"p{i}": {"type": "string", "pattern": f"^[a-z]*{i}x{{9}}$"} for i in range(n)}),
    "levels": lambda n: json.loads('{"type": "array", "items":' * (n // 14) + "{}" + "}" * (n // 14)),
}  # fmt: skip


@pytest.mark.parametrize("shape", GROWING)
def test_twice_the_schema_does_not_cost_four_times_the_time(shape: str) -> None:
    half, whole = GROWING[shape](MOST_PROPERTIES // 2), GROWING[shape](MOST_PROPERTIES)
    assert cost_of(lambda: grammar_of(whole)) < 3.5 * max(cost_of(lambda: grammar_of(half)), 1e-3)


def test_items_are_counted_up_to_the_limit() -> None:
    assert grammar_of({"type": "array", "maxItems": MOST_ITEMS})
