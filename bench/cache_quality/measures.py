"""Figures of a judge: average precision, recall at a precision, and what a threshold serves."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Scores = NDArray[np.float64]
Labels = NDArray[np.bool_]

_LEAST_SERVED = 20


@dataclass(frozen=True, slots=True)
class Served:
    """What became of lookups: a right answer, a wrong one, or none."""

    right: int
    wrong: int
    missed: int

    @property
    def lookups(self) -> int:
        return self.right + self.wrong + self.missed

    @property
    def hit_share(self) -> float:
        return (self.right + self.wrong) / self.lookups

    @property
    def wrong_share_of_hits(self) -> float:
        return self.wrong / max(1, self.right + self.wrong)


def served(scores: Sequence[float], right: Sequence[bool], threshold: float) -> Served:
    """What serving everything at or above a threshold comes to."""
    given = [is_right for score, is_right in zip(scores, right, strict=True) if score >= threshold]
    return Served(sum(given), len(given) - sum(given), len(scores) - len(given))


def average_precision(scores: Scores, same: Labels) -> float:
    precisions, ordered = _precisions(scores, same)
    return float((precisions * ordered).sum() / ordered.sum())


def recall_at(scores: Scores, same: Labels, precision: float) -> float:
    """The most recall that any threshold has at this precision; fewer than twenty served pairs prove none."""
    precisions, ordered = _precisions(scores, same)
    enough = np.flatnonzero((precisions >= precision) & (np.arange(len(ordered)) >= _LEAST_SERVED - 1))
    return float(ordered[: enough[-1] + 1].sum() / ordered.sum()) if len(enough) else 0.0


def _precisions(scores: Scores, same: Labels) -> tuple[Scores, Labels]:
    ordered = same[np.argsort(-scores, kind="stable")]
    return np.cumsum(ordered) / np.arange(1, len(ordered) + 1), ordered
