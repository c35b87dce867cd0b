"""The file with an engine's own arguments: its mistakes are told before anything starts, each with its line."""

from pathlib import Path

import pytest

from weft_inference.config import Config
from weft_inference.engines.engine_file import engine_table
from weft_inference.engines.registry import EngineName


def problem_of(path: Path) -> str:
    """Returns what a service says of the file, as it reads its settings."""
    return "".join(Config.problems({"WEFT_INFERENCE_ENGINE": "vllm", "WEFT_INFERENCE_ENGINE_FILE": str(path)}))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "engine.toml"


def test_the_table_of_the_engine_is_read_and_others_are_not(file: Path) -> None:
    file.write_text('[engine.vllm]\ndtype = "half"\n[engine.vllm.speculative_config]\nmethod = "ngram"\n')
    values = {"dtype": "half", "speculative_config": {"method": "ngram"}}
    assert engine_table(file, EngineName.VLLM).values == values
    assert engine_table(file, EngineName.ECHO).values == {}
    assert problem_of(file) == ""


def test_without_a_file_the_table_is_empty() -> None:
    assert engine_table(None, EngineName.VLLM).values == {}


def test_a_file_that_cannot_be_read_is_told_with_what_to_do(file: Path) -> None:
    assert problem_of(file) == (
        f"WEFT_INFERENCE_ENGINE_FILE: {file}: cannot be read (No such file or directory); name another in "
        "WEFT_INFERENCE_ENGINE_FILE, or unset it: an engine needs none"
        f" (given: '{file}')"
    )


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("dtype", ": is not TOML: Expected '='"),
        ('\ndtype = "half"', ":2: dtype: is not a setting here; expected [engine.vllm]"),
        ("engine = 1", ":1: engine: input should be a table; expected [engine.vllm]"),
        ("[engine.vlm]", ":1: engine.vlm: no engine takes this table; expected [engine.vllm]"),
        ("[engine.echo]", ":1: engine.echo: no engine takes this table; expected [engine.vllm]"),
        ("engine.vllm = 1", ":1: engine.vllm: input should be a table; found 1"),
    ],
)
def test_a_mistake_is_told_with_its_line(file: Path, text: str, told: str) -> None:
    file.write_text(text)
    assert problem_of(file).startswith(f"WEFT_INFERENCE_ENGINE_FILE: {file}{told}")


def test_all_mistakes_are_told_at_once(file: Path) -> None:
    file.write_text("[engine.vlm]\n[vllm]\n")
    assert f"{file}:1: engine.vlm: " in problem_of(file)
    assert f"{file}:2: vllm: " in problem_of(file)
