"""Units: what a text is made of, paragraphs, else lines, else sentences, found in time that grows with its length.

The splitter looks from every unit to the end of what it is given, so it is given a window at a time. Only a sentence
that is too long for a unit has none inside: it is a stretch that may be cut at any word.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from semantic_text_splitter import TextSplitter

MAX_UNIT = 600
"""Characters of the longest unit; only a sentence may have more."""
# The range makes every unit stand alone; in characters the splitter is a hundred times faster than in tokens.
_UNITS = TextSplitter((1, MAX_UNIT), trim=False)
_LONG_LINE = re.compile(rf"^[^\n]{{{MAX_UNIT + 1},}}", re.MULTILINE)
_WINDOW = 2048
# Where a paragraph ends is certain once a unit's length follows, where a sentence ends once a few words do.
_PARAGRAPH_AHEAD = 700
_SENTENCE_AHEAD = 128
# Stands for a line too long to be part of a unit.
_NO_UNIT = "\n".join(["x" * (MAX_UNIT - 1)] * 2)
# A sentence that follows what is one sentence already: with it, nothing but sentences fits into a unit.
_NEXT_SENTENCE = "\u2029."


@dataclass(frozen=True, slots=True)
class Unit:
    """Characters [start, end). A unit that is `long` may be cut inside."""

    start: int
    end: int

    @property
    def is_long(self) -> bool:
        return self.end - self.start > MAX_UNIT


def units(text: str) -> Iterator[Unit]:
    """Yields all of a text in order: paragraphs of at most 600 characters, else lines, else sentences."""
    return (Unit(start, end) for start, end in pairwise((*_starts(text), len(text))))


def _starts(text: str) -> Iterator[int]:
    at = 0
    for line in _LONG_LINE.finditer(text):
        yield from _paragraphs(text, at, line.start())
        for at in _sentences(text, line.start(), line.end()):
            if line.end() - at <= MAX_UNIT:
                break  # What is left of the line is a unit, alone or with what follows.
            yield at
        else:
            at = line.end()
    yield from _paragraphs(text, at, len(text))


def _paragraphs(text: str, at: int, end: int) -> Iterator[int]:
    """Yields where units begin between `at` and `end`, where no line is too long for one."""
    after = "" if end == len(text) else _NO_UNIT
    while at < end:
        is_last = end - at <= _WINDOW
        window = text[at:end] + after if is_last else text[at : at + _WINDOW]
        certain = end - at if is_last else _WINDOW - _PARAGRAPH_AHEAD
        starts = [offset for offset, _ in _UNITS.chunk_indices(window)]
        yield from (at + offset for offset in starts if offset < certain)
        at = end if is_last else at + next(offset for offset in starts if offset >= certain)


def _sentences(text: str, at: int, end: int) -> Iterator[int]:
    """Yields where the sentences of one line begin."""
    yield at
    while at < end:
        window = text[at : min(at + _WINDOW, end)]
        is_last = at + len(window) == end
        certain = len(window) if is_last else _WINDOW - _SENTENCE_AHEAD
        splitter = TextSplitter((1, len(window) + 1), trim=False)
        offsets = (offset for offset, _ in splitter.chunk_indices(window + _NEXT_SENTENCE))
        starts = [at + offset for offset in offsets if 0 < offset < certain]
        yield from starts
        at = end if is_last else (starts or [at + certain])[-1]
