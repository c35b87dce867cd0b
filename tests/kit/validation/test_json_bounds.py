"""JSON of tenants is read within bounds, as whoever uses it later will have to."""

import json
import re
from contextlib import suppress

import pytest
from tests.support.cost import cost_of

from weft_kit.validation.json_values import (
    ARGUMENTS,
    BadJson,
    JointReader,
    read,
)

HALVES = "half of a surrogate pair"
NUL = "NUL, which JSON writes \\u0000"
NO_JSON = "is not JSON"
LEVELS = ARGUMENTS.levels


def nested(levels: int, *, in_lists: bool) -> str:
    opening, closing = ("[", "]") if in_lists else ('{"a":', "}")
    return '{"a":' + opening * (levels - 1) + "1" + closing * (levels - 1) + "}"


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        '{"city": "Köln", "n": [1, 2.5e3, -0.0, null, true]}',
        '{"smile": "\\ud83d\\ude00"}',
        '{"text": "\\\\u0000 and \\\\ud800"}',
        nested(LEVELS, in_lists=True),
        nested(LEVELS, in_lists=False),
    ],
)
def test_what_can_be_stored_and_sent_on_is_read(text: str) -> None:
    document = read(text, ARGUMENTS)
    assert document == json.loads(text)
    json.dumps(document, ensure_ascii=False, allow_nan=False).encode()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", NO_JSON),
        ('{"a": NaN}', "NaN, which JSON does not have"),
        ('{"a": -Infinity}', "-Infinity, which JSON does not have"),
        ('{"a": 1e999999}', "larger than other readers' numbers"),
        ('{"a": ' + "9" * 1_000_000 + "}", "a number of 1000000 characters"),
        ("[" * 100_000, f"nested deeper than {LEVELS} levels"),
        ('{"a":' * 100_000, f"nested deeper than {LEVELS} levels"),
        ('{"a": "\\u0000"}', NUL),
        ('{"\\u0000": 1}', NUL),
        ('{"a": [{"b": ["\\u0000"]}]}', NUL),
        ('{"a": "\\ud800"}', HALVES),
        ('{"a": {"\\udfff": 1}}', HALVES),
        ('{"a": ["\\ude00\\ud83d"]}', HALVES),
        (nested(LEVELS + 1, in_lists=True), f"nested deeper than {LEVELS} levels"),
        (nested(LEVELS + 1, in_lists=False), f"nested deeper than {LEVELS} levels"),
    ],
)
def test_what_others_could_not_hold_is_refused_and_told(text: str, problem: str) -> None:
    with pytest.raises(BadJson, match=re.escape(problem)):
        read(text, ARGUMENTS)


@pytest.mark.parametrize("element", ['"\\u0041"', "[]", '{"a":1}', "1.5", "9" * 60])
def test_reading_costs_what_the_length_does(element: str) -> None:
    def cost(count: int) -> float:
        text = '{"a": [' + ",".join([element] * count) + "]}"
        return cost_of(lambda: read(text, ARGUMENTS))

    count = 60_000 // max(len(element), 6)
    assert cost(2 * count) < 4 * cost(count)


def test_many_texts_hold_together_no_more_than_one_may() -> None:
    most = "[" + "1," * (ARGUMENTS.values - 2) + "1]"
    together = JointReader(ARGUMENTS)
    assert len(together.read(most)) == ARGUMENTS.values - 1
    for _ in range(2):
        with pytest.raises(BadJson, match=f"more than {ARGUMENTS.values} values, with those before it"):
            together.read("[]")


@pytest.mark.parametrize("end", ["]", ""])
def test_many_texts_cost_together_about_what_one_may(end: str) -> None:
    text = "[" + "{}," * (ARGUMENTS.values - 2) + "1" + end

    def cost(count: int) -> float:
        def read_all() -> None:
            together = JointReader(ARGUMENTS)
            for _ in range(count):
                with suppress(BadJson):
                    together.read(text)

        return cost_of(read_all, 5)

    assert cost(40) < 8 * cost(1)
