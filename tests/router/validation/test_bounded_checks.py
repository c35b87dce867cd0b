"""Checks of costly schemas end, and leave the process to others meanwhile."""

import asyncio
import json
import sys
import time
from collections.abc import Callable
from statistics import median
from typing import Any

import pytest
from tests.router.validation.formats import CITY, TREE, form, meets, what

from weft_router.validation.json_patterns import matches
from weft_router.validation.response_format import FormatFault, fault_of, find_fault


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "schema",
    [
        {"pattern": "^(a+)+$"},
        {"$schema": "http://json-schema.org/draft-07/schema#", "pattern": "^(a+)+$"},
        {"allOf": [{"$schema": "http://json-schema.org/draft-07/schema#", "pattern": "^(a+)+$"}]},
        {"$ref": "#/$defs/a", "$defs": {"a": {"pattern": "^(a+)+$"}}},
    ],
)
def test_a_tenants_pattern_cannot_keep_the_process_busy(schema: Any) -> None:
    assert not meets(schema, json.dumps("a" * 60 + "!"))
    named = {"patternProperties": {"^(a+)+$": False}, "additionalProperties": True, "unevaluatedProperties": False}
    assert meets(named, json.dumps({"a" * 60 + "!": 1}))


def test_a_pattern_that_is_large_when_written_out_is_not_tried() -> None:
    assert matches("((a{0,99}){0,99}){0,99}b", "a" * 100_000) is None
    assert matches("^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$", "2c2ff2dd-8e10-2833-8e10-2c2ff2dd8e10")


def test_a_check_ends_when_its_time_is_up() -> None:
    parts = {f"p{depth}": {"anyOf": [{"$ref": f"#/$defs/p{depth + 1}"}] * 3} for depth in range(30)}
    wide = form({"$ref": "#/$defs/p0", "$defs": parts | {"p30": False}})
    began = time.thread_time()
    fault = fault_of(wide, "1", limit_s=0.05)

    assert fault == FormatFault("could not be held against its schema within 0.05 s", is_untold=True)
    assert time.thread_time() - began < 5


def test_a_way_through_a_schema_that_never_ends_is_a_fault() -> None:
    assert what(form({"$ref": "#"}), "1") == "is nested too deep to be read"
    assert what(form(TREE), "[" * 20 + "]" * 20) is None


@pytest.mark.parametrize("depth", range(10))
def test_it_is_one_wherever_the_stack_ends_and_whoever_watches(depth: int) -> None:
    """Beside a profiler the last call of all may be one into Rust, which panics at the recursion limit."""

    def judged(deeper: int) -> str | None:
        return judged(deeper - 1) if deeper else what(form({"$ref": "#"}), "1")

    sys.setprofile(lambda *_: None)
    try:
        found = judged(depth)
    finally:
        sys.setprofile(None)
    assert found == "is nested too deep to be read"


async def test_a_long_check_leaves_the_loop_to_others() -> None:
    wanted, text = form({"items": CITY}), json.dumps([{"city": "Paris"}] * 20_000)
    checking = asyncio.create_task(find_fault(wanted, text))
    turns = 0
    while not checking.done():
        await asyncio.sleep(0)
        turns += 1

    assert await checking is None
    assert turns > 10


def doubled(levels: int) -> dict[str, Any]:
    parts: dict[str, Any] = {f"d{i}": {"allOf": [{"$ref": f"#/$defs/d{i + 1}"}] * 2} for i in range(levels)}
    return {"$defs": parts | {f"d{levels}": {"type": "string"}}, "$ref": "#/$defs/d0"}


def seconds_for(schema: Any, document: Any) -> float:
    wanted, text = form(schema), json.dumps(document)
    began = time.thread_time()
    fault_of(wanted, text, limit_s=60)
    return time.thread_time() - began


@pytest.mark.parametrize("levels", [20, 40])
def test_a_schema_that_doubles_with_each_level_is_given_up_after_the_same_steps(levels: int) -> None:
    said = "could not be held against its schema within 200000 steps"
    assert fault_of(form(doubled(levels)), '"x"', limit_s=60) == FormatFault(said, is_untold=True)


COSTLY: dict[str, Callable[[int], tuple[Any, Any]]] = {
    # Numbers that Python hashes alike.
    "unique numbers": lambda n: ({"uniqueItems": True}, [i * (2**61 - 1) for i in range(n)]),
    "unique objects": lambda n: ({"uniqueItems": True}, [{"a": i * (2**61 - 1), "b": [i]} for i in range(n)]),
    "enum": lambda n: ({"items": {"enum": [f"v{i}" for i in range(n)]}}, [f"v{n - 1}"] * n),
    "enum of objects": lambda n: ({"items": {"enum": [{"a": i} for i in range(n)]}}, [{"a": n - 1}] * n),
}


@pytest.mark.parametrize("name", COSTLY)
def test_twice_the_items_cost_about_twice_the_time(name: str) -> None:
    half, whole = COSTLY[name](2_000), COSTLY[name](4_000)
    ratios = []
    for _ in range(5):
        before = seconds_for(*half)
        ratios.append(seconds_for(*whole) / before)
    assert median(ratios) < 3


async def test_a_long_check_gives_way_before_the_interpreter_would_make_it() -> None:
    checking = asyncio.create_task(find_fault(form(doubled(25)), '"x"'))
    waits = []
    while not checking.done():
        began = time.perf_counter()
        await asyncio.sleep(0.001)
        waits.append(time.perf_counter() - began - 0.001)

    assert await checking
    assert median(waits) < sys.getswitchinterval() / 2
