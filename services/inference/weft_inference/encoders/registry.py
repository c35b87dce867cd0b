"""The embedders: a line for each, and a file of its name in this room. None is imported before it is asked for."""

from enum import StrEnum
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from weft_inference.encoders.encoder import EmbedderEntry, Encoder
    from weft_inference.encoders.minilm_graph import Precision


class EmbedderName(StrEnum):
    """What WEFT_INFERENCE_EMBEDDER may say."""

    MINILM = "minilm"
    MULTILINGUAL_E5_SMALL = "multilingual-e5-small"


def embedder_entry(name: EmbedderName) -> "EmbedderEntry":
    """Returns what an embedder's file registers; its model is not loaded."""
    entry: EmbedderEntry = import_module(f"{__package__}.{name.replace('-', '_')}").ENTRY
    return entry


def load(name: EmbedderName, precision: "Precision", threads: int) -> "Encoder":
    """Loads an encoder; blocking. Raises CannotStart where it is not installed."""
    return embedder_entry(name).load(precision, threads)
