"""Whether a text has the form that was asked for, and where it is off it."""

import json
from typing import Any

import pytest
from tests.router.validation.formats import CITY, form, meets, what

from weft.common.v1 import chat_pb2, error_pb2
from weft.inference.v1 import inference_pb2
from weft.job.v1 import event_pb2
from weft_router.job.transcript import AnswerSoFar
from weft_router.providers.provider import Remedy
from weft_router.validation.response_format import FormatFault, failure, must_have_form

ANY_OBJECT = chat_pb2.ResponseFormat(json_object=chat_pb2.JsonObjectFormat())


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('{"city": "Paris"}', None),
        (' \r\n\t{"city": "Paris"}\n', None),
        ("", "is empty, not JSON"),
        (" \n ", "is empty, not JSON"),
        ("Paris.", "is not JSON at line 1, column 1 (offset 0): expecting value"),
        (
            '{\n  "city": "Paris"\n  "people": 2}',
            "is not JSON at line 3, column 3 (offset 22): expecting ',' delimiter",
        ),
        ('{"city": "Par', "is not JSON at line 1, column 10 (offset 9): unterminated string"),
        ('{"city": "Paris"} {}', "is not JSON at line 1, column 19 (offset 18): extra data"),
        ('{"NaN": "NaN", "a": NaN}', "is not JSON at line 1, column 21 (offset 20): there is no NaN in JSON"),
        ('{"\\"": -Infinity}', "is not JSON at line 1, column 8 (offset 7): there is no -Infinity in JSON"),
        (
            '```json\n{"city": "Paris"}\n```',
            "is not JSON at line 1, column 1 (offset 0): expecting value; it stands in a Markdown fence",
        ),
        ('{"a": ' + "9" * 5000 + "}", "holds a number of too many digits to be read"),
        ('{"a": ' + "[" * 100_000, "is nested too deep to be read"),
        ("[1]", "is an array, not a JSON object"),
        ('"text"', "is a string, not a JSON object"),
        ("2.5", "is a number, not a JSON object"),
        ("true", "is a boolean, not a JSON object"),
        ("null", "is null, not a JSON object"),
    ],
)
def test_what_is_no_json_object_is_told_with_its_place(text: str, why: str | None) -> None:
    assert what(ANY_OBJECT, text) == why


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('{"city": "Paris", "people": 2}', None),
        ("[]", '"": must be of type "object", is an array'),
        ("{}", '"": lacks ["city"]'),
        ('{"city": 1}', '"/city": must be of type "string", is a number'),
        ('{"city": "Paris", "people": 0}', '"/people": does not meet minimum 1'),
        ('{"city": "Paris", "a/b~c": 0}', '"/a~1b~0c": is not allowed'),
        (
            '{"city": 1, "people": 0, "a": 1, "b": 2}',
            (
                '"/city": must be of type "string", is a number; "/people": does not meet minimum 1; '
                '"/a": is not allowed; and more'
            ),
        ),
    ],
)
def test_what_is_off_its_schema_is_told_with_json_pointers(text: str, why: str | None) -> None:
    assert what(form(CITY), text) == (why and f"is off its JSON schema: {why}")


def test_what_is_told_of_a_fault_is_short_and_can_be_written_anywhere() -> None:
    name, values = "\ud800\n" + "n" * 5000, ["v" * 5000]
    said = what(form({"properties": {name: {"enum": values}}}), json.dumps({name: 1}))

    assert said is not None
    assert len(said.encode()) < 400
    assert said.isprintable()


@pytest.mark.parametrize(
    ("schema", "good", "bad"),
    [
        ({"pattern": "^[A-Z]{3}$"}, "ABC", "ABCD"),
        ({"pattern": r"^\d+$"}, "12", "١٢"),
        ({"patternProperties": {"^n_": {"type": "number"}}}, {"n_a": 1, "b": "c"}, {"n_a": "1"}),
        ({"patternProperties": {"^n_": {}}, "additionalProperties": False}, {"n_a": 1}, {"m_a": 1}),
        ({"uniqueItems": True}, [0, False, [1], [True], {"a": 1}, {"a": True}], [{"a": 1, "b": 2}, {"b": 2, "a": 1.0}]),
        ({"multipleOf": 0.01}, 19.99, 19.995),
        ({"type": "integer"}, 3.0, 3.5),
        ({"enum": ["a", 1]}, "a", True),
        ({"anyOf": [{"type": "string"}, {"minimum": 2}]}, 3, 1),
        ({"oneOf": [{"minimum": 1}, {"minimum": 2}]}, 1, 3),
        ({"$defs": {"a": {"const": {"$schema": "x"}}}, "$ref": "#/$defs/a"}, {"$schema": "x"}, {}),
        ({"unevaluatedProperties": False, "allOf": [{"properties": {"a": {}}}]}, {"a": 1}, {"b": 1}),
        ({"$schema": "http://json-schema.org/draft-04/schema#", "maximum": 3, "exclusiveMaximum": True}, 2, 3),
        ({"$schema": "http://json-schema.org/draft-07/schema#", "items": [{"type": "string"}]}, ["a", 1], [1]),
        ({"$schema": "urn:of-nobody", "prefixItems": [{"type": "string"}]}, ["a", 1], [1]),
    ],
)
def test_a_schema_is_read_by_its_dialect(schema: Any, good: Any, bad: Any) -> None:
    assert meets(schema, json.dumps(good))
    assert not meets(schema, json.dumps(bad))


@pytest.mark.parametrize(
    ("schema", "text"),
    [
        ({"format": "email"}, '"nobody"'),
        ({"multipleOf": 0.5}, "1" + "0" * 400),
        ({"multipleOf": 0.5}, "1e999"),
        ({"pattern": "a"}, '"a\\ud800"'),
        ({"properties": {"pattern": {"type": "string"}}}, '{"pattern": "("}'),
        ({"properties": {"a": {"type": "string"}}}, '{"a": 1, "a": "the last value counts"}'),
    ],
)
def test_what_json_and_schemas_allow_is_not_refused(schema: Any, text: str) -> None:
    assert what(form(schema), text) is None


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "no such type"},
        "{",
        {"pattern": "(unclosed"},
        {"pattern": "^(?!x)"},
        {"pattern": r"(a)\1"},
        {"$ref": "http://127.0.0.1:1/schema.json"},
        {"$ref": "#/$defs/nowhere"},
        {"unevaluatedProperties": {"$ref": "http://127.0.0.1:1/schema.json"}},
    ],
)
def test_what_is_no_schema_or_cannot_be_told_forbids_nothing(schema: Any) -> None:
    assert meets(schema, '{"a": 1}')
    assert meets(schema, '"x"')


def test_what_is_no_json_is_a_fault_under_what_is_no_schema_too() -> None:
    assert what(form("{"), "Paris") == "is not JSON at line 1, column 1 (offset 0): expecting value"


def test_the_rest_of_a_schema_with_a_reference_to_elsewhere_is_kept() -> None:
    elsewhere = {"$ref": "http://127.0.0.1:1/schema.json"}
    assert not meets({"properties": {"a": elsewhere, "b": {"type": "string"}}}, '{"a": 1, "b": 2}')


def end(reason: chat_pb2.FinishReason.ValueType = chat_pb2.FINISH_REASON_STOP) -> inference_pb2.Finished:
    return inference_pb2.Finished(finish_reason=reason)


def test_calls_of_tools_and_what_a_provider_withheld_need_no_form() -> None:
    said, calling = AnswerSoFar(), AnswerSoFar()
    said.add(event_pb2.Delta(text="I cannot help with that."))
    calling.add(event_pb2.Delta(tool_calls=[event_pb2.ToolCallDelta(name="f", arguments_json="{}")]))

    assert must_have_form(said, end())
    assert not must_have_form(calling, end(chat_pb2.FINISH_REASON_TOOL_CALLS))
    assert not must_have_form(said, end(chat_pb2.FINISH_REASON_CONTENT_FILTER))


def test_another_try_is_made_only_while_it_may_help() -> None:
    cut, off = FormatFault("is not JSON at …", is_syntax=True), FormatFault("is off its JSON schema: …")
    untold, full = FormatFault("could not be …", is_untold=True), end(chat_pb2.FINISH_REASON_LENGTH)

    assert failure(cut, end(), is_last=False).remedy is failure(off, full, is_last=False).remedy is Remedy.ANOTHER_TRY
    assert failure(off, end(), is_last=True).remedy is failure(untold, end(), is_last=False).remedy is Remedy.NOTHING
    at_its_limit = failure(cut, full, is_last=False)
    assert at_its_limit.remedy is Remedy.NOTHING
    assert at_its_limit.reason == error_pb2.ERROR_REASON_ANSWER_INVALID
    assert at_its_limit.message == (
        "the answer reached max_tokens inside the document; allow it more tokens (the answer is not JSON at …)"
    )


@pytest.mark.parametrize(
    ("values", "instance", "is_among"),
    [
        ([1], 1.0, True),
        ([1], True, False),
        ([0], False, False),
        ([[1, {"a": 2.0}]], [1.0, {"a": 2}], True),
        ([{"a": 1, "b": 2}], {"b": 2, "a": 1}, True),
        (["1"], 1, False),
        ([10**16], 1e16, True),
        ([None], "null", False),
    ],
)
def test_values_of_an_enum_are_equal_as_json_has_it(values: list[Any], instance: Any, is_among: bool) -> None:  # noqa: FBT001
    assert meets({"enum": values}, json.dumps(instance)) is is_among


@pytest.mark.parametrize(
    "text",
    ['{"a": ' * 130 + "1" + "}" * 130, '{"a": "\\ud800", "\\udfff": ["\\udc00"]}', '{"a": ' + "9" * 4000 + "}"],
)
def test_an_answer_that_few_can_read_is_judged_all_the_same(text: str) -> None:
    assert meets({"additionalProperties": {"type": ["object", "string", "number", "array"]}}, text)
    assert "must be of type" in (what(form({"type": "array"}), text) or "")
    assert not meets({"additionalProperties": {"enum": ["b"], "uniqueItems": True}}, text)
