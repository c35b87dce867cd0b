"""Judgements by the code that the cache serves with: floor, guards, verifier, threshold."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from bench.cache_quality.pairs import Pair
from bench.cache_quality.reading import Reader, Vectors

from weft_cache.choice import Candidate, Miss, Shortlist, Verified, choose, shortlist
from weft_cache.policy import Terms, Tier

_NEAREST = 5
_ANY_CERTAINTY = 0.0  # where to draw the line is measured, not given


@dataclass(frozen=True, slots=True)
class Judged:
    """A lookup as far as the threshold: the surest candidate's place and certainty, and the nearest's cosine."""

    nearest: int
    similarity: float
    surest: int
    certainty: float


class Judge:
    """`floor` is the cache's own: candidates less alike are not compared."""

    def __init__(self, reader: Reader, floor: float) -> None:
        self._reader = reader
        self._terms = Terms(Tier.SEMANTIC, math.inf, floor)

    def pairs(self, pairs: Sequence[Pair]) -> list[Judged]:
        """Each pair alone: the first is stored, the second asked."""
        stored, asked = (
            self._reader.vectors(side) for side in ([pair.first for pair in pairs], [pair.second for pair in pairs])
        )
        cosines = (stored * asked).sum(axis=1)
        return [
            self._judge(pair.second, [Candidate("0", pair.first, float(cosine), 0.0, told="")])
            for pair, cosine in zip(pairs, cosines, strict=True)
        ]

    def lookups(self, stored: Sequence[tuple[str, str]], asked: Sequence[str]) -> list[Judged]:
        """Each of `asked` against all that is stored: questions with their answers."""
        shelf, vectors = self._reader.vectors([question for question, _ in stored]), self._reader.vectors(asked)
        return [
            self._judge(
                question,
                [
                    Candidate(str(place), stored[place][0], cosine, 0.0, told=stored[place][1])
                    for place, cosine in nearest(shelf, vector)
                ],
            )
            for question, vector in zip(asked, vectors, strict=True)
        ]

    def _judge(self, question: str, near: Sequence[Candidate]) -> Judged:
        first = max(near, key=lambda candidate: candidate.similarity)
        chosen = self._choose(question, near, shortlist(question, near, self._terms, _ANY_CERTAINTY, now=0.0))
        if isinstance(chosen, Miss):
            return Judged(int(first.key), first.similarity, -1, 0.0)
        return Judged(int(first.key), first.similarity, int(chosen.candidate.key), chosen.certainty)

    def _choose(self, question: str, near: Sequence[Candidate], listed: Shortlist | Miss) -> Verified | Miss:
        if isinstance(listed, Miss):
            return listed
        return choose(near, listed, self._reader.confidences(question, listed.questions), _ANY_CERTAINTY)


def nearest(shelf: Vectors, vector: np.ndarray) -> list[tuple[int, float]]:
    """Places of the nearest on the shelf with their cosines, nearest first."""
    cosines = shelf @ vector
    places = np.argpartition(-cosines, min(_NEAREST, len(cosines) - 1))[:_NEAREST]
    return [(int(place), float(cosines[place])) for place in sorted(places, key=lambda place: -cosines[place])]
