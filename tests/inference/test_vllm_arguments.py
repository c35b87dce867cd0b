"""vLLM's arguments are checked against its dataclass; a stand-in shows what is said of each mistake."""

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from enum import Enum
from typing import Any, Literal

import pytest
from pydantic.dataclasses import dataclass as pydantic_dataclass

from weft_inference.engines.vllm_arguments import OURS, built, checked


class Backend(Enum):
    FLASH = "a.path.to.Flash"


class Opaque:
    """What pydantic knows nothing of."""


@pydantic_dataclass(config={"extra": "forbid"})
class Compilation:
    mode: int = 0
    sizes: list[int] | None = None


@dataclass
class Arguments:
    model: str = ""
    max_model_len: int = 0
    tensor_parallel_size: int = 1
    gpu_memory_utilization: float = 0.9
    enforce_eager: bool = False
    dtype: Literal["auto", "half"] = "auto"
    quantization: str | None = None
    sizes: list[int] | None = None
    offloaded: set[str] = field(default_factory=set)
    overrides: dict[str, Any] | Callable[[Any], Any] = field(default_factory=dict)
    worker: str | type[Opaque] = ""
    speculative_config: dict[str, Any] | None = None
    compilation_config: Compilation = field(default_factory=Compilation)
    transfer_config: Compilation | None = None
    backend: Backend | None = None
    opaque: str | Opaque | None = None
    unresolved: "dict[str, Any] | NotHere | None" = None  # noqa: F821 - as vLLM has one that only type checkers import
    quoted: "int | None" = None
    _rank: int = 0

    def __post_init__(self) -> None:
        if isinstance(self.compilation_config, dict):
            self.compilation_config = Compilation(**{"mode": 3, **self.compilation_config})


def problems(**table: Any) -> list[str]:
    return checked(Arguments, table, "engine.vllm")[1]


def test_values_of_the_right_types_are_taken() -> None:
    table = {
        "tensor_parallel_size": 2,
        "gpu_memory_utilization": 1,
        "enforce_eager": True,
        "dtype": "half",
        "quantization": "fp8",
        "sizes": [1, 2],
        "speculative_config": {"method": "ngram"},
        "overrides": {"a": 1},
        "quoted": 7,
    }
    assert checked(Arguments, table, "engine.vllm") == (table, [])


def test_a_list_becomes_the_set_that_a_field_takes() -> None:
    assert checked(Arguments, {"offloaded": ["a", "a"]}, "engine.vllm") == ({"offloaded": {"a"}}, [])


def test_what_only_vllm_can_check_is_left_to_it() -> None:
    table = {"backend": "FLASH", "opaque": 7, "unresolved": [1]}
    assert checked(Arguments, table, "engine.vllm") == (table, [])


def test_an_unknown_argument_is_told_with_the_nearest() -> None:
    assert problems(tensor_paralel=2, zzz=1)[0] == (
        "engine.vllm.tensor_paralel: the installed vLLM has no such argument; did you mean tensor_parallel_size?"
    )
    assert problems(zzz=1)[0].startswith("engine.vllm.zzz: the installed vLLM has no such argument; did you mean ")


def test_a_private_field_is_no_argument() -> None:
    assert "has no such argument" in problems(_rank=1)[0]


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("tensor_parallel_size", "2", "takes an integer; found '2'"),
        ("tensor_parallel_size", 2.5, "takes an integer; found 2.5"),
        ("gpu_memory_utilization", "all", "takes a number; found 'all'"),
        ("enforce_eager", 1, "takes true or false; found 1"),
        ("dtype", "bf16", 'takes one of "auto", "half"; found \'bf16\''),
        ("quantization", 8, "takes a text; found 8"),
        ("sizes", [1, "2"], "takes a list, each an integer; found [1, '2']"),
        ("offloaded", [1], "takes a list, each a text; found [1]"),
        ("overrides", 1, "takes a table; found 1"),
        ("worker", 1, "takes a text; found 1"),
        ("speculative_config", "ngram", "takes a table; found 'ngram'"),
        ("transfer_config", 3, "takes a table; found 3"),
        ("quoted", "7", "takes an integer; found '7'"),
    ],
)
def test_a_value_of_another_type_is_told_with_what_the_field_takes(name: str, value: object, told: str) -> None:
    assert problems(**{name: value}) == [f"engine.vllm.{name}: {told}"]


def test_mistakes_inside_a_table_are_told_with_their_places() -> None:
    told = problems(compilation_config={"mod": 1, "sizes": ["x"]})
    assert "engine.vllm.compilation_config.mod: the installed vLLM has no such argument; did you mean mode?" in told
    assert [one for one in told if one.startswith("engine.vllm.compilation_config.sizes[0]: ") and "found 'x'" in one]


def test_what_weft_sets_itself_is_refused_with_the_setting_to_use() -> None:
    assert problems(model="m", max_model_len=8) == [
        "engine.vllm.model: is set by Weft; set WEFT_INFERENCE_MODEL_PATH",
        "engine.vllm.max_model_len: is set by Weft; set WEFT_INFERENCE_CONTEXT_WINDOW",
    ]
    assert OURS.keys() & {one.name for one in fields(Arguments)} == {"model", "max_model_len"}


def test_all_mistakes_are_told_at_once() -> None:
    assert len(problems(model="m", zzz=1, dtype=1, compilation_config={"mod": 1})) == 4


def test_tables_reach_vllm_as_they_are_and_become_the_classes_it_expects() -> None:
    table = {
        "compilation_config": {"sizes": [1]},
        "transfer_config": {"mode": 2},
        "speculative_config": {"a": {"b": 1}},
    }
    values, _ = checked(Arguments, table, "engine.vllm")
    arguments = built(Arguments, values)
    # vLLM's own conversion, which may set more than the table does, goes first.
    assert arguments.compilation_config == Compilation(mode=3, sizes=[1])
    assert arguments.transfer_config == Compilation(mode=2)
    assert arguments.speculative_config == {"a": {"b": 1}}
