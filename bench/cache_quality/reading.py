"""The models of the inference service, without the service: vectors and confidences of many questions at once."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from weft_inference.encoder import DIMENSIONS, Encoder, bundled_model
from weft_inference.minilm_graph import Precision
from weft_inference.verifier import SHIPPED, PairReader

Vectors = NDArray[np.float32]

_TOGETHER = 32


class Reader:
    """Reads with the precisions and the weights that the service has by default."""

    def __init__(self) -> None:
        self._encoder = Encoder.load(bundled_model(), Precision.FP32, threads=1)
        self._pairs = PairReader.load(bundled_model(), SHIPPED, Precision.INT8, threads=1)

    def vectors(self, questions: Sequence[str]) -> Vectors:
        """A unit vector a question."""
        rows = [self._encoder.windows(question)[0] for question in questions]
        order = sorted(range(len(rows)), key=lambda place: len(rows[place]))
        made = np.zeros((len(rows), DIMENSIONS), np.float32)
        for start in range(0, len(order), _TOGETHER):
            places = order[start : start + _TOGETHER]
            for place, encoded in zip(places, self._encoder.run([rows[place] for place in places]), strict=True):
                made[place] = encoded.embedding
        return made

    def confidences(self, question: str, others: Sequence[str]) -> list[float]:
        """How surely each of `others` asks what `question` asks; 0 where not all was read."""
        pairs = self._pairs.rows(question, others)
        sure = self._pairs.run([row for row, _ in pairs])
        return [0.0 if cut else confidence for confidence, (_, cut) in zip(sure, pairs, strict=True)]
