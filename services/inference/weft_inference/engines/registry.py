"""The engines: a line for each, and a file of its name in this room. None is imported before it is asked for."""

from enum import StrEnum
from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from weft_inference.engines.engine import EngineEntry


class EngineName(StrEnum):
    """What WEFT_INFERENCE_ENGINE and `weft up --engine` may say."""

    LLAMACPP = "llamacpp"
    VLLM = "vllm"
    ECHO = "echo"


DEFAULT_ENGINE: Final = EngineName.LLAMACPP


def engine_entry(name: EngineName) -> "EngineEntry":
    """Returns what an engine's file registers; what the engine computes with is not imported."""
    entry: EngineEntry = import_module(f"{__package__}.{name}").ENTRY
    return entry
