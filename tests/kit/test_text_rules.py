"""JSON text is read once as whoever uses it will have to."""

import json

import pytest
from tests.cost import cost_of

from weft_kit.text_rules import MOST_LEVELS, json_object_problem

HALVES = "must not contain half a surrogate pair, which JSON writes \\ud800 to \\udfff"
NUL = "must not contain NUL (U+0000), which JSON writes \\u0000"
NO_OBJECT = "must be a JSON object"


def nested(levels: int, *, in_lists: bool) -> str:
    opening, closing = ("[", "]") if in_lists else ('{"a":', "}")
    return '{"a":' + opening * (levels - 1) + "1" + closing * (levels - 1) + "}"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{}", ""),
        ('{"city": "Köln", "n": [1, 2.5e3, -0.0, null, true]}', ""),
        ('{"smile": "\\ud83d\\ude00"}', ""),
        ('{"text": "\\\\u0000 and \\\\ud800"}', ""),
        ("", NO_OBJECT),
        ("[]", NO_OBJECT),
        ("7", NO_OBJECT),
        ('{"a": NaN}', NO_OBJECT),
        ('{"a": -Infinity}', NO_OBJECT),
        ('{"a": 1e999999}', NO_OBJECT),
        ('{"a": ' + "9" * 1_000_000 + "}", NO_OBJECT),
        ("[" * 100_000, NO_OBJECT),
        ('{"a":' * 100_000, NO_OBJECT),
        ('{"a": "\\u0000"}', NUL),
        ('{"\\u0000": 1}', NUL),
        ('{"a": [{"b": ["\\u0000"]}]}', NUL),
        ('{"a": "\\ud800"}', HALVES),
        ('{"a": {"\\udfff": 1}}', HALVES),
        ('{"a": ["\\ude00\\ud83d"]}', HALVES),
        (nested(MOST_LEVELS, in_lists=True), ""),
        (nested(MOST_LEVELS, in_lists=False), ""),
        (nested(MOST_LEVELS + 1, in_lists=True), f"must not nest deeper than {MOST_LEVELS} levels"),
        (nested(MOST_LEVELS + 1, in_lists=False), f"must not nest deeper than {MOST_LEVELS} levels"),
    ],
)
def test_a_json_object_is_one_that_can_be_stored_and_sent_on(text: str, problem: str) -> None:
    assert json_object_problem(text) == problem
    if not problem:
        json.dumps(json.loads(text), ensure_ascii=False, allow_nan=False).encode()


@pytest.mark.parametrize("element", ['"\\u0041"', "[]", '{"a":1}', "1.5", "9" * 4000])
def test_reading_a_json_object_costs_what_its_length_does(element: str) -> None:
    def cost(count: int) -> float:
        text = '{"a": [' + ",".join([element] * count) + "]}"
        assert json_object_problem(text) == ""
        return cost_of(lambda: json_object_problem(text))

    count = 200_000 // len(element)
    assert cost(2 * count) < 4 * cost(count)
