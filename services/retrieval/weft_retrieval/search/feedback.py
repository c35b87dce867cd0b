"""Pseudo-relevance feedback: both retrievers search a second time, with what the best chunks of the first pass contain.

The best chunks are those of the fused list: on its own, a retriever is misled further by its own mistakes. For the
search by words this is RM3 (Lavrenko and Croft, "Relevance-Based Language Models", SIGIR 2001; Abdul-Jaleel et al.,
"UMass at TREC 2004: Novelty and HARD"): words that several of these chunks contain are added to the question's. For the
search by vectors it is Rocchio's formula (Li et al., "Pseudo Relevance Feedback with Deep Language Models and Dense
Retrievers:
Successes and Pitfalls", TOIS 2023): the question moves towards the mean of their windows.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from prometheus_client import Counter, Histogram

from weft_kit.logging import note
from weft_kit.rpc.context import remaining_to_pass_on
from weft_kit.tasks import together
from weft_retrieval.ranking.bm25 import Leg
from weft_retrieval.records import Collection
from weft_retrieval.storage.filters import Compiled
from weft_retrieval.storage.search import Index

FEEDBACK_SECONDS = Histogram(
    "weft_retrieval_feedback_seconds",
    "Time of the second pass of a search's legs.",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5),
)
GIVEN_UP = Counter(
    "weft_retrieval_feedback_given_up",
    "Second passes that took longer than their budget, so that the first pass's result stood.",
)


@dataclass(frozen=True, slots=True)
class FeedbackOptions:
    """How many of the best chunks are assumed to be relevant, how many of their words are used, and the weight of both
    relative to the question, 0 to 1.
    """

    chunks: int
    terms: int
    keyword_share: float
    dense_share: float
    budget_s: float


@dataclass(frozen=True, slots=True)
class FirstPass:
    """A question as both retrievers searched it, and what they found."""

    vector: NDArray[np.float32]
    terms: Mapping[str, float]
    dense: Leg
    keyword: Leg


class Feedback:
    """Second passes within a budget. Both passes take the same filter, so nothing is learnt from what it excludes."""

    def __init__(self, index: Index, options: FeedbackOptions) -> None:
        self._index = index
        self._options = options

    @property
    def chunks(self) -> int:
        """How many of the best chunks are assumed to be relevant."""
        return self._options.chunks

    async def second_pass(
        self, collection: Collection, first: FirstPass, best: Leg, allowed: Compiled | None, count: int
    ) -> tuple[Leg, Leg]:
        """Returns the hits by vector and by words; `best` are chunks with their fused scores, at most that many.

        A retriever that found nothing finds nothing now either; without time left, both lists are those of the first
        pass.
        """
        try:
            with FEEDBACK_SECONDS.time():
                async with asyncio.timeout(remaining_to_pass_on(self._options.budget_s)):
                    dense, keyword = await together(
                        (
                            self._dense(collection, first, best, allowed, count),
                            self._keyword(collection, first, best, allowed, count),
                        )
                    )
        except TimeoutError:
            GIVEN_UP.inc()
            note(feedback="given up: it took too long")
            return first.dense, first.keyword
        return dense, keyword

    async def _dense(
        self, collection: Collection, first: FirstPass, best: Leg, allowed: Compiled | None, count: int
    ) -> Leg:
        if not first.dense:
            return first.dense
        near = await self._index.nearest_windows(collection, first.vector, [chunk for chunk, _ in best])
        towards = moved(first.vector, near, self._options.dense_share)
        return await self._index.nearest(collection, towards, allowed, count)

    async def _keyword(
        self, collection: Collection, first: FirstPass, best: Leg, allowed: Compiled | None, count: int
    ) -> Leg:
        if not first.keyword:
            return first.keyword
        shared = await self._index.shared_terms(collection, best, self._options.terms)
        if not shared:
            return first.keyword
        wanted = expanded(first.terms, shared, self._options.keyword_share)
        return await self._index.best_matching(collection, wanted, allowed, count)


def expanded(wanted: Mapping[str, float], shared: Sequence[tuple[str, float]], share: float) -> dict[str, float]:
    """Returns a question's terms with at least one other, which make up `share` of the whole; the sum stays."""
    total = sum(weight for _, weight in shared)
    terms = {term: (1 - share) * weight for term, weight in wanted.items()}
    for term, weight in shared:
        terms[term] = terms.get(term, 0.0) + share * sum(wanted.values()) * weight / total
    return terms


def moved(vector: NDArray[np.float32], near: NDArray[np.float32], share: float) -> NDArray[np.float32]:
    """Returns the unit vector that lies `share` of the way from a vector to the mean of others."""
    towards = (1 - share) * vector + share * near.mean(axis=0) if len(near) else vector
    length = np.linalg.norm(towards)
    # There is no direction half-way between opposites.
    return np.asarray(towards / length, np.float32) if length else vector
