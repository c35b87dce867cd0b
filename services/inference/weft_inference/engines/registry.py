"""The engines: one line for each, and a module of the same name in this package, imported only when used."""

from enum import StrEnum
from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from weft_inference.engines.engine import EngineEntry


class EngineName(StrEnum):
    """The values of WEFT_INFERENCE_ENGINE and `weft up --engine`."""

    LLAMACPP = "llamacpp"
    VLLM = "vllm"
    ECHO = "echo"


DEFAULT_ENGINE: Final = EngineName.LLAMACPP


def engine_entry(name: EngineName) -> "EngineEntry":
    """Returns an engine's `ENTRY`, without importing the engine's own packages."""
    entry: EngineEntry = import_module(f"{__package__}.{name}").ENTRY
    return entry
