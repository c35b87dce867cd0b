"""Reciprocal rank fusion: one order out of several, by place, never by scores that cannot be compared."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Scored:
    """One leg's opinion of one chunk: its place from 1, and the leg's own score."""

    rank: int
    score: float


@dataclass(frozen=True, slots=True)
class Fused:
    """A chunk with its fused score and what each leg that found it said."""

    chunk: int
    score: float
    legs: Mapping[str, Scored]


def fuse(legs: Mapping[str, Sequence[tuple[int, float]]], weights: Mapping[str, float], k: float) -> list[Fused]:
    """Orders chunks by the sum over legs of weight / (k + rank) (Cormack et al., SIGIR 2009), best first.

    Every leg is a list of (chunk, score), best first. Ties go to the chunk that stands higher in its best leg, then
    to the lower id.
    """
    found: dict[int, dict[str, Scored]] = {}
    for name, leg in legs.items():
        for rank, (chunk, score) in enumerate(leg, start=1):
            found.setdefault(chunk, {})[name] = Scored(rank, score)
    fused = [
        Fused(chunk, sum(weights[name] / (k + seen.rank) for name, seen in by_leg.items()), by_leg)
        for chunk, by_leg in found.items()
    ]
    return sorted(fused, key=lambda hit: (-hit.score, min(seen.rank for seen in hit.legs.values()), hit.chunk))
