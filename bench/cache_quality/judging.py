"""Judgements by the code that the cache serves with: floor, guards, verifier, certainty."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

import numpy as np
from bench.cache_quality.pairs import Pair
from bench.cache_quality.reading import Reader
from bench.cache_quality.readings import Vectors
from bench.cache_quality.stores import Store

from weft_cache.policy import LookupTerms, Tier
from weft_cache.records import Candidate
from weft_cache.semantic.choice import Miss, Reason, Shortlist, Verified, choose, shortlist

_NEAREST: Final = 5
_SEARCHED: Final = 12
"""More than are used: the question itself, and those that may not be compared with it, are left out."""
_TOGETHER: Final = 64


@dataclass(frozen=True, slots=True)
class Judged:
    """A lookup before the threshold: the surest candidate's place and certainty, and the nearest one's cosine.

    A place is -1 if there is none.
    """

    nearest: int
    similarity: float
    surest: int
    certainty: float


@dataclass(frozen=True, slots=True)
class Compared:
    """A lookup up to the verifier: the nearest of all, the candidates that the tier sees, those that it reads, and the
    verifier's confidence in each.
    """

    nearest: Sequence[Candidate]
    near: Sequence[Candidate]
    listed: Shortlist | Miss
    confidences: Sequence[float]

    def judged(self) -> Judged:
        """Returns the rule's judgement."""
        nearest, similarity = next(((int(one.key), one.similarity) for one in self.nearest), (-1, 0.0))
        chosen = self._chosen()
        if isinstance(chosen, Miss):
            return Judged(nearest, similarity, -1, 0.0)
        return Judged(nearest, similarity, int(chosen.candidate.key), chosen.certainty)

    def _chosen(self) -> Verified | Miss:
        if isinstance(self.listed, Miss):
            return self.listed
        return choose(self.near, self.listed, self.confidences, threshold=0.0)


class Judge:
    """Judges lookups. `floor` is the cache's own: candidates less similar are not compared.

    The threshold is measured, not given: every candidate that could be `least_certain` is compared.
    """

    def __init__(self, reader: Reader, floor: float, least_certain: float) -> None:
        self._reader, self._least_certain = reader, least_certain
        self._terms = LookupTerms(Tier.SEMANTIC, math.inf, floor)

    def pairs(self, pairs: Sequence[Pair]) -> list[Compared]:
        """Returns a lookup for each pair alone: the first is stored, the second asked."""
        stored, asked = (
            self._reader.vectors(side) for side in ([pair.first for pair in pairs], [pair.second for pair in pairs])
        )
        cosines = (stored * asked).sum(axis=1)
        compared = [
            self._compared(pair.second, [Candidate("0", pair.first, float(cosine), 0.0, told="")])
            for pair, cosine in zip(pairs, cosines, strict=True)
        ]
        self._reader.commit()
        return compared

    def lookups(self, store: Store) -> list[Compared]:
        """Returns a lookup for each question, against all that is stored except itself, which the exact tier finds."""
        stored = self._reader.vectors([entry.question for entry in store.stored])
        asked = self._reader.vectors([ask.question for ask in store.asked])
        compared = []
        for ask, found in zip(store.asked, nearest(stored, asked, _SEARCHED), strict=True):
            near = [
                Candidate(str(place), store.stored[place].question, cosine, 0.0, told=store.stored[place].told)
                for place, cosine in found
                if store.stored[place].question != ask.question
            ]
            compared.append(self._compared(ask.question, near))
        self._reader.commit()
        return compared

    def _compared(self, question: str, found: Sequence[Candidate]) -> Compared:
        """Returns a lookup; `found` are the nearest by cosine, of which the tier sees those that may be compared."""
        partition = self._reader.partition(question)
        if partition is None:
            return Compared(found[:1], [], Miss(Reason.LANGUAGE), [])
        comparable = (candidate for candidate in found if self._reader.partition(candidate.question) == partition)
        near = list(islice(comparable, _NEAREST))
        listed = shortlist(question, near, self._terms, self._least_certain, now=0.0)
        if isinstance(listed, Miss):
            return Compared(found[:1], near, listed, [])
        return Compared(found[:1], near, listed, self._reader.confidences(question, listed.questions))


def nearest(stored: Vectors, asked: Vectors, count: int) -> Iterator[list[tuple[int, float]]]:
    """Yields for each question the places of the nearest with their cosines, nearest first."""
    for start in range(0, len(asked), _TOGETHER):
        cosines = asked[start : start + _TOGETHER] @ stored.T
        places = np.argpartition(-cosines, min(count, cosines.shape[1] - 1), axis=1)[:, :count]
        for row, found in zip(cosines, places, strict=True):
            yield [(int(place), float(row[place])) for place in found[np.argsort(-row[found], kind="stable")]]
