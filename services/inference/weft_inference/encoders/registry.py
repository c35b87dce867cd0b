"""The embedders: one line for each, and a module of the same name in this package, imported only when used."""

from enum import StrEnum
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from weft_inference.encoders.encoder import EmbedderEntry, Encoder
    from weft_inference.encoders.minilm_graph import Precision


class EmbedderName(StrEnum):
    """The values of WEFT_INFERENCE_EMBEDDER."""

    MINILM = "minilm"
    MULTILINGUAL_E5_SMALL = "multilingual-e5-small"


def embedder_entry(name: EmbedderName) -> "EmbedderEntry":
    """Returns an embedder's `ENTRY`, without loading its model."""
    entry: EmbedderEntry = import_module(f"{__package__}.{name.replace('-', '_')}").ENTRY
    return entry


def load(name: EmbedderName, precision: "Precision", threads: int) -> "Encoder":
    """Loads an encoder; blocking. Raises CannotStart if it is not installed."""
    return embedder_entry(name).load(precision, threads)
