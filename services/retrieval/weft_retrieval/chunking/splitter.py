"""Where a text is split: at headings and sentence ends, into spans that fit, with nothing left out."""

import re
import unicodedata
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from weft_retrieval.chunking.tokens import Ruler
from weft_retrieval.formats.units import MAX_UNIT, Unit, units

# One character inside of a number, a contraction or a host's name, and what joins two into one.
_JOINT = re.compile(r"(?<=[^\W_])['\u2019.](?=[^\W_])|(?<=\d),(?=\d)|\u200d")
# How far one of the last two spans may exceed its fair share in order to end at a border.
_SLACK = 1.15


@dataclass(frozen=True, slots=True)
class Span:
    """Characters [start, end)."""

    start: int
    end: int


class Borders:
    """The places of one text where a split does the least harm."""

    def __init__(self, ruler: Ruler, headings: Sequence[int]) -> None:
        self._headings = ruler.snap(headings)
        places = list(headings)
        for unit in units(ruler.text):
            places.append(unit.start)
            if unit.is_long:
                places.extend(_words(ruler, unit))
        self._all = ruler.snap(places)

    def last(self, after: int, until: int) -> int | None:
        """Returns the last border in (after, until]: a heading if one lies in its second half, else a sentence end."""
        return _last(self._headings, (after + until) // 2, until) or _last(self._all, after, until)

    def first(self, since: int, before: int) -> int | None:
        """Returns the first border in [since, before)."""
        index = bisect_left(self._all, since)
        found = self._all[index] if index < len(self._all) else before
        return found if found < before else None


def cut(ruler: Ruler, borders: Borders, within: Span, max_tokens: int, overlap_tokens: int = 0) -> Iterator[Span]:
    """Covers the words of `within`, at least one, by spans of at most `max_tokens`; each begins about `overlap_tokens`
    before the previous one's end.

    The overlap begins with a sentence if one begins inside it, otherwise with a word. The rest for the last two spans
    is divided between them, so that no tiny span remains.
    """
    # A border in the white space before the first word would make a span of nothing.
    begin = start = ruler.snap([within.start])[0]
    while ruler.count(start, within.end) > max_tokens:
        end = _end(ruler, borders, Span(start, within.end), max_tokens, overlap_tokens, begin)
        yield Span(start, end)
        begin = end
        earliest = ruler.back(end, overlap_tokens)
        start = borders.first(earliest, end) or earliest
    yield Span(start, within.end)


def _end(ruler: Ruler, borders: Borders, rest: Span, max_tokens: int, overlap_tokens: int, begin: int) -> int:
    """Chooses where a span that starts at `rest.start` ends, given that everything before `begin` is already
    covered.
    """
    left = ruler.count(rest.start, rest.end)
    limit = max_tokens
    if left <= 2 * max_tokens - overlap_tokens:
        limit = min(max_tokens, int((left + overlap_tokens) / 2 * _SLACK))
    # A span must be longer than its overlap with the next one, or that one would not get any further.
    after = max(begin, ruler.reach(rest.start, overlap_tokens))
    furthest = ruler.reach(rest.start, limit)
    if furthest <= after:
        furthest = ruler.reach(rest.start, max_tokens)
    return borders.last(after, furthest) or furthest


def _words(ruler: Ruler, unit: Unit) -> Iterator[int]:
    """Yields where a unit without sentences may be cut, at words and inside of those that are too long.

    What is left at its end is a unit again as soon as it is short enough.
    """
    joints = {at for joint in _JOINT.finditer(ruler.text, unit.start, unit.end) for at in joint.span()}
    for at in ruler.cuts(unit.start, unit.end):
        if at not in joints and not unicodedata.category(ruler.text[at]).startswith("M"):
            yield at
            if unit.end - at <= MAX_UNIT:
                return


def _last(places: Sequence[int], after: int, until: int) -> int | None:
    index = bisect_right(places, until) - 1
    return places[index] if index >= 0 and places[index] > after else None
