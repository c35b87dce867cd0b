"""Decides whether two questions ask the same, reading them together: MiniLM as a cross-encoder, without PyTorch.

The weights are the encoder's plus a difference, which ships next to this file. docs/cache.md says how and on which
texts they were trained, and how well they do.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import Enum, auto
from functools import partial
from pathlib import Path
from typing import Final, Self

import numpy as np
import onnxruntime
from safetensors.numpy import load_file
from tokenizers import Encoding, Tokenizer

from weft_inference.encoders import verifier_graph
from weft_inference.encoders.batching import Batcher
from weft_inference.encoders.encoder import Ids
from weft_inference.encoders.minilm_graph import Precision
from weft_inference.encoders.tokenising import tokenised
from weft_inference.encoders.unread import Legibility

SHIPPED: Final = Path(__file__).parent / "verifier.safetensors"
_NAME: Final = "minilm-l6-same-question-3"
_MAX_TOKENS: Final = 256


@dataclass(frozen=True, slots=True)
class Comparison:
    """The confidence that two questions ask the same, 0 to 1, and whether they were cut.

    The confidence is 0 if they differ in text that the verifier has no tokens for.
    """

    confidence: float
    truncated: bool


class Gap(Enum):
    """Why a row does not hold all that two questions ask."""

    CUT = auto()
    """They are longer than a row."""
    UNREAD = auto()
    """They differ in text that there are no tokens for."""


class PairReader:
    """Reads pairs, `threads` of them in parallel. It blocks, so call it from a thread.

    A row holds both questions, each followed by a separator.
    """

    def __init__(self, session: onnxruntime.InferenceSession, tokenizer: Tokenizer, threads: int) -> None:
        self._session = session
        self._tokenizer = tokenizer
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="verifier")
        self._separator: int = tokenizer.encode("").ids[-1]
        self._legibility = Legibility.of(tokenizer)

    @classmethod
    def load(cls, folder: Path, difference: Path, precision: Precision, threads: int) -> Self:
        """Loads the encoder's weights from `folder` and adds the difference, in about a second."""
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        tokenizer.no_padding()
        tokenizer.enable_truncation(_MAX_TOKENS)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1  # a row is too small to split
        model = verifier_graph.build(load_file(folder / "model.safetensors"), load_file(difference), precision)
        session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        return cls(session, tokenizer, threads)

    def rows(self, question: str, others: Sequence[str]) -> list[tuple[Ids, Gap | None]]:
        """Returns a row for each of `others`, and the gap in it, if any."""
        encoded = self._tokenizer.encode_batch([(question, other) for other in others])
        return [(one.ids, self._gap(one, question, other)) for one, other in zip(encoded, others, strict=True)]

    def run(self, rows: Sequence[Ids]) -> list[float]:
        """Returns the confidence of each row.

        Rows are read one at a time: int8 scales over a whole batch, and a confidence must not depend on other rows. A
        batch would not be faster anyway: one pair of a dozen words each keeps a core busy, and four pairs take four
        times as long.
        """
        if len(rows) == 1:
            return [self._confidence(rows[0])]
        return list(self._threads.map(self._confidence, rows))

    def _gap(self, encoded: Encoding, question: str, other: str) -> Gap | None:
        if encoded.overflowing:
            return Gap.CUT
        unread = self._legibility.unread(encoded, question)
        return Gap.UNREAD if unread != self._legibility.unread(encoded, other, sequence=1) else None

    def _confidence(self, row: Ids) -> float:
        ids = np.array([row], np.int32)
        segments = np.ones_like(ids)
        segments[0, : row.index(self._separator) + 1] = 0
        lengths = np.array([len(row)], np.int32)
        inputs = {"input_ids": ids, "segments": segments, "lengths": lengths}
        [confidences] = self._session.run(["confidence"], inputs)
        return float(confidences[0])


class Verifier:
    """Compares questions; concurrent calls share one batcher."""

    name = _NAME

    def __init__(self, reader: PairReader, batcher: Batcher[float]) -> None:
        self._reader = reader
        self._batcher = batcher

    async def compare(self, question: str, others: Sequence[str]) -> list[Comparison]:
        pairs = await tokenised(partial(self._reader.rows, question), others, with_each=len(question))
        confidences = await self._batcher.run([row for row, _ in pairs], _as_is)
        return [_comparison(gap, confidence) for (_, gap), confidence in zip(pairs, confidences, strict=True)]


def _comparison(gap: Gap | None, confidence: float) -> Comparison:
    return Comparison(0.0 if gap is Gap.UNREAD else confidence, truncated=gap is Gap.CUT)


def _as_is(confidence: float) -> float:
    return confidence
