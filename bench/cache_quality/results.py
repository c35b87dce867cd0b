"""The tier's results on a set, and those of a plain cosine on the same vectors."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from bench.cache_quality.judging import Judge, Judged
from bench.cache_quality.measures import Labels, Scores, Served, most_right, served, served_most
from bench.cache_quality.pairs import Pair
from bench.cache_quality.stores import Store

COSINES: Final = (0.8, 0.9, 0.95)
"""Thresholds of other caches: .80 is GPTCache's, .90 is RedisVL's default distance of .1."""
_REFUSED: Final = -1.0


@dataclass(frozen=True, slots=True)
class Result:
    """Lookups of one set: scores by the tier and by the nearest one's cosine, and whether each one's answer is right.

    `answerable` is how many have a right answer; `labelled_different` marks where the tier's answer is known to be
    wrong, rather than unlabelled.
    """

    name: str
    answerable: int
    certainties: Scores = field(repr=False)
    right: Labels = field(repr=False)
    cosines: Scores = field(repr=False)
    nearest_right: Labels = field(repr=False)
    labelled_different: Labels = field(repr=False)

    def served(self, threshold: float) -> Served:
        return served(self.certainties, self.right, threshold)

    def by_cosine(self, least: float) -> Served:
        return served(self.cosines, self.nearest_right, least)

    def by_as_many(self, threshold: float) -> Served:
        """Returns what a cosine threshold serves that gives as many hits as the tier."""
        return served_most(self.cosines, self.nearest_right, self.served(threshold).hits)

    def recall(self, result: Served) -> float:
        return result.right / max(1, self.answerable)

    def recall_at(self, precision: float) -> tuple[float, float]:
        """Returns the best recall at a precision, of the tier's and of the cosine's thresholds."""
        tier, cosine = (
            most_right(scores, right, precision)
            for scores, right in ((self.certainties, self.right), (self.cosines, self.nearest_right))
        )
        return tier / max(1, self.answerable), cosine / max(1, self.answerable)

    def known_wrong(self, threshold: float) -> int:
        """Returns how many of the wrong answers were labelled as different from the question."""
        return int((self.labelled_different & (self.certainties >= threshold)).sum())


def of_store(judge: Judge, store: Store) -> Result:
    """Returns the result of asking all of a store's questions."""
    judged = [compared.judged() for compared in judge.lookups(store)]
    meanings = {entry.meaning for entry in store.stored}
    places = range(len(judged))
    return Result(
        name=store.name,
        answerable=sum(ask.meaning in meanings for ask in store.asked),
        certainties=_certainties(judged),
        right=_flags(one.surest >= 0 and store.is_right(i, one.surest) for i, one in zip(places, judged, strict=True)),
        cosines=_cosines(judged),
        nearest_right=_flags(
            one.nearest >= 0 and store.is_right(i, one.nearest) for i, one in zip(places, judged, strict=True)
        ),
        labelled_different=_flags(
            one.surest >= 0 and store.is_labelled_different(i, one.surest)
            for i, one in zip(places, judged, strict=True)
        ),
    )


def of_pairs(judge: Judge, name: str, pairs: Sequence[Pair]) -> Result:
    """Returns the result of looking up each pair alone."""
    judged = [compared.judged() for compared in judge.pairs(pairs)]
    same = _flags(pair.same for pair in pairs)
    return Result(name, int(same.sum()), _certainties(judged), same, _cosines(judged), same, ~same)


def _certainties(judged: Sequence[Judged]) -> Scores:
    """Returns the certainties; what floor and guards refuse is never served, whatever the threshold."""
    return np.array([one.certainty if one.surest >= 0 else _REFUSED for one in judged])


def _cosines(judged: Sequence[Judged]) -> Scores:
    return np.array([one.similarity for one in judged])


def _flags(values: Iterable[bool]) -> Labels:
    return np.array(list(values), dtype=bool)
