"""An encoder on ONNX Runtime: token ids in, unit vectors and token states out.

`registry` lists the embedders.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from tokenizers import Encoding, Tokenizer

from weft_inference.encoders.minilm_graph import Precision
from weft_inference.encoders.unread import Legibility, digest
from weft_inference.encoders.yielding import in_yielding_thread

Ids = list[int]
Vector = NDArray[np.float32]

# Windows of a long text overlap by this many tokens, so that a phrase at a border is whole in one of them.
_OVERLAP: Final = 32


@dataclass(frozen=True, slots=True)
class Encoded:
    """An encoded text: a unit vector for the whole, and one state per token, special tokens included."""

    embedding: Vector
    states: Vector


@dataclass(frozen=True, slots=True)
class TokenisedText:
    """A text as tokens: the windows whose mean is its vector, and how much of the first one the encoder cannot read.

    `truncated` says that there are more windows. `unread` is a digest of the text that the encoder has no tokens for,
    empty if there is none; `unread_share` is the share of tokens that tell it nothing.
    """

    windows: list[Ids]
    truncated: bool
    unread: bytes
    unread_share: float


class TextReader:
    """Tokenizes texts for one model.

    `prepared` is applied to a text before it is tokenized. `prefix` is put before a text that is embedded, as in the
    model's training, but not before one whose token states are compared. A vector covers at most `joined` windows.
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        max_tokens: int,
        prepared: Callable[[str], str] = str,
        *,
        prefix: str = "",
        joined: int = 1,
    ) -> None:
        self.max_tokens = max_tokens
        self._joined = joined
        self._tokenizer = tokenizer
        self._prepared = prepared
        self._legibility = Legibility.of(tokenizer)
        tokenizer.no_padding()
        tokenizer.no_truncation()
        self._prefix: Ids = tokenizer.encode(prefix, add_special_tokens=False).ids
        tokenizer.enable_truncation(max_tokens - len(self._prefix), stride=_OVERLAP)

    def windows(self, text: str) -> list[Ids]:
        """Returns a text's windows of at most `max_tokens` ids; all but long texts are one window."""
        return _windows(self._tokenizer.encode(self._prepared(text)))

    def read(self, text: str) -> TokenisedText:
        """Returns the windows to embed, and how much of the text the tokens do not represent."""
        prepared = self._prepared(text)
        first: Encoding = self._tokenizer.encode(prepared)
        windows = [[ids[0], *self._prefix, *ids[1:]] for ids in _windows(first)]
        return TokenisedText(
            windows=windows[: self._joined],
            truncated=len(windows) > self._joined,
            unread=digest(self._legibility.unread(first, prepared)),
            unread_share=self._legibility.unread_share(first, prepared),
        )


class Rows:
    """Encodes rows of ids together. It blocks, so call it from a thread (ONNX Runtime releases the GIL)."""

    def __init__(self, session: onnxruntime.InferenceSession) -> None:
        self._session = session

    def run(self, rows: Sequence[Ids]) -> list[Encoded]:
        """Encodes rows, padded to the longest."""
        lengths = np.array([len(row) for row in rows], np.int32)
        ids = np.zeros((len(rows), int(lengths.max())), np.int32)
        for place, row in enumerate(rows):
            ids[place, : len(row)] = row
        embeddings, states = self._session.run(["embedding", "states"], {"input_ids": ids, "lengths": lengths})
        return [Encoded(embeddings[place], states[place, : len(row)]) for place, row in enumerate(rows)]


class Encoder(Rows):
    """Tokenizes and encodes texts.

    Only vectors of encoders with the same name may be compared, so the name includes the precision. `yielding` is the
    same model on threads that yield the CPU to others: documents are read there, so that they slow down neither
    questions nor other services on the machine. It takes the memory of a second session.
    """

    def __init__(self, name: str, model: bytes, threads: int, reader: TextReader) -> None:
        reading = _session(model, threads)
        super().__init__(reading)
        self.yielding = Rows(in_yielding_thread(partial(_session, model, threads)))
        self.name = name
        self._reader = reader
        self.max_tokens = reader.max_tokens
        [self.dimensions] = [made.shape[-1] for made in reading.get_outputs() if made.name == "embedding"]

    def windows(self, text: str) -> list[Ids]:
        """Returns the windows of tokens whose states are compared."""
        return self._reader.windows(text)

    def read(self, text: str) -> TokenisedText:
        """Returns the tokens to embed, and how much of the text they do not represent."""
        return self._reader.read(text)


@dataclass(frozen=True, slots=True)
class EmbedderEntry:
    """What an embedder's file defines as `ENTRY`: `load` takes a precision and a number of threads."""

    load: Callable[[Precision, int], Encoder]
    missing: Callable[[], str] = str
    """Says what is not installed and how to install it; "" if nothing is missing."""


def _session(model: bytes, threads: int) -> onnxruntime.InferenceSession:
    """Loads a graph for the CPU."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def _windows(first: Encoding) -> list[Ids]:
    return [first.ids, *(window.ids for window in first.overflowing)]
