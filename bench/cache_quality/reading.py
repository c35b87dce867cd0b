"""The models of the inference service, without the service: vectors and confidences of many questions at once."""

import hashlib
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
from bench.cache_quality.readings import Readings, Vectors, digest
from safetensors.numpy import load_file

import weft_inference
from weft_cache.semantic.coverage import MOST_UNREAD, Coverage
from weft_inference.encoders import minilm
from weft_inference.encoders.minilm import bundled_model
from weft_inference.encoders.minilm_graph import Precision
from weft_inference.encoders.verifier import SHIPPED, PairReader
from weft_inference.encoders.verifier_graph import build

_TOGETHER: Final = 32
_CODE: Final = Path(weft_inference.__file__).parent


class Reader:
    """Reads with the service's default precisions and weights; earlier readings are reused."""

    def __init__(self, readings: Readings, coverage: Coverage) -> None:
        self._readings, self._coverage = readings, coverage
        self._partitions: dict[str, bytes | None] = {}
        self._encoder = minilm.load(Precision.FP32, threads=1)
        self._pairs = PairReader.load(bundled_model(), SHIPPED, Precision.INT8, threads=1)
        model = (bundled_model() / "model.safetensors", bundled_model() / "tokenizer.json")
        self._embedder = digest(*model, _CODE / "minilm_graph.py")
        self._verifier = digest(*model, SHIPPED) + _built(SHIPPED)

    def vectors(self, questions: Sequence[str]) -> Vectors:
        """Returns a unit vector for each question."""
        return self._readings.vectors(self._embedder, questions, self._embed)

    def confidences(self, question: str, others: Sequence[str]) -> list[float]:
        """Returns the confidence that each of `others` asks what `question` asks; 0 if not all of it was read."""
        return self._readings.confidences(self._verifier, question, others, partial(self._compare, question))

    def partition(self, question: str) -> bytes | None:
        """Returns what two questions must share to be compared; None if this one is only for the exact tier."""
        if question not in self._partitions:
            self._partitions[question] = self._partition(question)
        return self._partitions[question]

    def commit(self) -> None:
        """Stores what was read since the last time."""
        self._readings.commit()

    def _partition(self, question: str) -> bytes | None:
        if not self._coverage.includes(question):
            return None
        reading = self._encoder.read(question)
        if reading.truncated or reading.unread_share >= MOST_UNREAD:
            return None
        return reading.unread + self._coverage.foreign_letters(question).encode()

    def _embed(self, questions: Sequence[str]) -> Vectors:
        rows = [self._encoder.windows(question)[0] for question in questions]
        order = sorted(range(len(rows)), key=lambda place: len(rows[place]))
        made = np.zeros((len(rows), self._encoder.dimensions), np.float32)
        for start in range(0, len(order), _TOGETHER):
            places = order[start : start + _TOGETHER]
            for place, encoded in zip(places, self._encoder.run([rows[place] for place in places]), strict=True):
                made[place] = encoded.embedding
        return made

    def _compare(self, question: str, others: Sequence[str]) -> list[float]:
        pairs = self._pairs.rows(question, others)
        sure = self._pairs.run([row for row, _ in pairs])
        return [0.0 if gap else confidence for confidence, (_, gap) in zip(sure, pairs, strict=True)]


def _built(difference: Path) -> bytes:
    """Returns a digest of what the verifier computes, which does not change with every change of its code."""
    weights = load_file(bundled_model() / "model.safetensors")
    return hashlib.blake2b(build(weights, load_file(difference), Precision.INT8), digest_size=16).digest()
