"""Measures of a judge: what a threshold serves, its recall at a precision, and a cosine that serves as much."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from weft_cache.wilson import Share, share

Scores = NDArray[np.float64]
Labels = NDArray[np.bool_]

_LEAST_SERVED: Final = 20


@dataclass(frozen=True, slots=True)
class Served:
    """The outcomes of lookups: a right answer, a wrong one, or none."""

    right: int
    wrong: int
    missed: int

    @property
    def lookups(self) -> int:
        return self.right + self.wrong + self.missed

    @property
    def hits(self) -> int:
        return self.right + self.wrong

    @property
    def hit_share(self) -> float:
        return self.hits / max(1, self.lookups)

    @property
    def wrong_share(self) -> Share:
        """The share of wrong answers among the hits."""
        return share(self.wrong, self.hits)


def served(scores: Scores, right: Labels, threshold: float) -> Served:
    """Returns the outcome of serving everything at or above a threshold."""
    given = scores >= threshold
    good = int((given & right).sum())
    return Served(good, int(given.sum()) - good, int((~given).sum()))


def served_most(scores: Scores, right: Labels, hits: int) -> Served:
    """Returns the outcome of serving the `hits` highest."""
    good = int(right[np.argsort(-scores, kind="stable")[:hits]].sum())
    return Served(good, hits - good, len(scores) - hits)


def most_right(scores: Scores, right: Labels, precision: float) -> int:
    """Returns the most right answers that any threshold serves at a precision; under twenty served prove nothing."""
    ordered = right[np.argsort(-scores, kind="stable")]
    precisions = np.cumsum(ordered) / np.arange(1, len(ordered) + 1)
    enough = np.flatnonzero((precisions >= precision) & (np.arange(len(ordered)) >= _LEAST_SERVED - 1))
    return int(ordered[: enough[-1] + 1].sum()) if len(enough) else 0
