"""Fusion: one order from several lists, by scores brought to a common scale.

Scores say more than ranks: how far the first is ahead of the second decides whether the other retriever may overrule
it. How much more depends on the collection: `bench.retrieval_quality.fusions` measures both, and docs/retrieval.md has
the figures. The family is Bruch, Gai and Ingber's (TOIS 2023).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Scored:
    """One retriever's result for a chunk: its rank from 1, and its score."""

    rank: int
    score: float


@dataclass(frozen=True, slots=True)
class Fused:
    """A chunk with its fused score, 0 to 1, and the result of each retriever that found it."""

    chunk: int
    score: float
    legs: Mapping[str, Scored]


def fuse(legs: Mapping[str, Sequence[tuple[int, float]]], weights: Mapping[str, float], depth: int) -> list[Fused]:
    """Orders chunks by the weighted mean of their scores, each retriever's scaled so that its best chunk has 1, best
    first.

    Each retriever's list has (chunk, score), best first, cut off at `depth`. A chunk missing from a list has 0 there.
    Ties go to the chunk that ranks higher in its best list, then to the lower id.
    """
    found: dict[int, dict[str, Scored]] = {}
    for name, leg in legs.items():
        for rank, (chunk, score) in enumerate(leg, start=1):
            found.setdefault(chunk, {})[name] = Scored(rank, score)
    scales = {name: _scale(leg, depth) for name, leg in legs.items()}
    total = sum(weights.values())
    fused = [
        Fused(
            chunk, sum(weights[leg] * _scaled(seen.score, *scales[leg]) for leg, seen in by_leg.items()) / total, by_leg
        )
        for chunk, by_leg in found.items()
    ]
    return sorted(fused, key=lambda hit: (-hit.score, min(seen.rank for seen in hit.legs.values()), hit.chunk))


def vote(fused: Sequence[Fused], scores: Sequence[float], share: float) -> list[Fused]:
    """Orders the first chunks again, as many as there are additional scores.

    They make up `share` of the new score. Chunks without one stay behind, in their former order.
    """
    if not scores:
        return list(fused)
    scale = min(scores), max(scores)
    third = [*(_scaled(score, *scale) for score in scores), *[0.0] * (len(fused) - len(scores))]
    voted = [
        Fused(hit.chunk, (1 - share) * hit.score + share * opinion, hit.legs)
        for hit, opinion in zip(fused, third, strict=True)
    ]
    # Stable: equal scores keep the fused order.
    return sorted(voted, key=lambda hit: -hit.score)


def _scale(leg: Sequence[tuple[int, float]], depth: int) -> tuple[float, float]:
    """Returns the scores that stand for 0 and 1.

    What a cut-off list omitted might have scored as much as its last entry; a list that was not cut off has nothing
    else.
    """
    if not leg:
        return 0.0, 0.0
    return leg[-1][1] if len(leg) >= depth else min(0.0, leg[-1][1]), leg[0][1]


def _scaled(score: float, floor: float, top: float) -> float:
    return (score - floor) / (top - floor) if top > floor else 1.0
