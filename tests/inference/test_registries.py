"""An engine or an embedder is registered by one line: its name, which is also its file's."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from tests.inference.calling import on_a_free_port

from weft_inference.config import Config
from weft_inference.encoders.registry import EmbedderName, embedder_entry
from weft_inference.engines.registry import DEFAULT_ENGINE, EngineName, engine_entry

EXTRAS = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))["project"][
    "optional-dependencies"
]
# The command line reads the names in every command, also where no engine is installed.
NAMES_ALONE = """
import sys
import weft_inference.engines.registry, weft_inference.encoders.registry
print([name for name in ("numpy", "onnx", "grpc", "pydantic", "xllamacpp", "vllm") if name in sys.modules])
"""


@pytest.mark.parametrize("name", EngineName)
async def test_an_engine_is_built_by_the_file_of_its_name(name: EngineName) -> None:
    entry = engine_entry(name)
    engine = entry.build(on_a_free_port(engine=name))
    assert engine.describe().engine == name
    assert entry.extra in EXTRAS
    await engine.close()


@pytest.mark.parametrize("name", EmbedderName)
def test_an_embedder_is_loaded_by_the_file_of_its_name(name: EmbedderName) -> None:
    assert callable(embedder_entry(name).load)


def test_names_are_known_without_what_they_name() -> None:
    done = subprocess.run([sys.executable, "-c", NAMES_ALONE], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_a_name_that_is_none_is_told_with_those_that_are() -> None:
    environment = {"WEFT_INFERENCE_ENGINE": "steam", "WEFT_INFERENCE_EMBEDDER": "steam"}
    assert Config.problems(environment) == [
        "WEFT_INFERENCE_ENGINE: Input should be 'llamacpp', 'vllm' or 'echo' (given: 'steam')",
        "WEFT_INFERENCE_EMBEDDER: Input should be 'minilm' or 'multilingual-e5-small' (given: 'steam')",
    ]


def test_the_default_engine_needs_no_gpu() -> None:
    assert on_a_free_port().engine is DEFAULT_ENGINE is EngineName.LLAMACPP
