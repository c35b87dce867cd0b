"""Checks whether engine and embedder could load their models, before anything is started."""

import os
from pathlib import Path

from weft_compose.errors import EngineUnusable
from weft_compose.plan import Launch
from weft_compose.wheels import require
from weft_inference.encoders.registry import EmbedderName, embedder_entry
from weft_inference.engines.registry import EngineName, engine_entry
from weft_kit.user_paths import expanded

_SETTING = "WEFT_INFERENCE_MODEL_PATH"
_EMBEDDER = "WEFT_INFERENCE_EMBEDDER"


def check_engine(launch: Launch) -> None:
    """Checks that engine and embedder are installed, and that the engine's model exists and is of its kind.

    Raises:
        MissingPart: a wheel is not installed.
        EngineUnusable: vLLM, the embedder or the model is missing.
    """
    _check_embedder(os.environ.get(_EMBEDDER, ""))
    entry = engine_entry(EngineName(launch.engine))
    if problem := entry.missing():
        raise EngineUnusable(problem)
    for wheel in entry.wheels:
        require(wheel)
    if entry.model_files is None:
        return
    path = launch.settings.get("inference", {}).get("model_path") or os.environ.get(_SETTING, "")
    if not path:
        require(entry.model_files.wheel)
        return
    try:
        problem = entry.model_files.problem_of(expanded(Path(path)))
    except ValueError as unknown:
        problem = str(unknown)
    if problem:
        raise EngineUnusable(f"{_SETTING} names {path}: {problem}")


def _check_embedder(name: str) -> None:
    # An unknown name is reported with all other wrong settings.
    known = name in list(EmbedderName)
    if known and (problem := embedder_entry(EmbedderName(name)).missing()):
        raise EngineUnusable(problem)
