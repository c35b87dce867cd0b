"""Which encoders the service can embed with: a name, and what loads it."""

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Final

from weft_inference.encoders import minilm, multilingual_e5
from weft_inference.encoders.encoder import Encoder
from weft_inference.encoders.minilm_graph import Precision


class EmbedderName(StrEnum):
    """What WEFT_INFERENCE_EMBEDDER may say."""

    MINILM = "minilm"
    MULTILINGUAL_E5_SMALL = "multilingual-e5-small"


_LOADERS: Final[Mapping[EmbedderName, Callable[[Precision, int], Encoder]]] = {
    EmbedderName.MINILM: minilm.load,
    EmbedderName.MULTILINGUAL_E5_SMALL: multilingual_e5.load,
}


def load(name: EmbedderName, precision: Precision, threads: int) -> Encoder:
    """Loads an encoder; blocking. Raises CannotStart where it is not installed."""
    return _LOADERS[name](precision, threads)
