"""How certain it must be for so many of the answers to be right.

The table holds for the weights that ship, and goes with them: bench/cache_quality/calibrating.py measured it.
docs/cache.md says how to measure one for questions of your own.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from weft_cache.interval import share


@dataclass(frozen=True, slots=True)
class Point:
    """Of the answers that were at least so certain, this share is right: the low end of its 95 % interval."""

    certainty: float
    precision: float


# Rounded up to twentieths.
CALIBRATION: Final = (Point(0.1, 0.98), Point(0.45, 0.9825), Point(0.75, 0.985))


def threshold(calibration: Sequence[Point], target_precision: float) -> float:
    """The certainty from which on the target was reached; infinite, which nothing reaches, when it never was."""
    enough = (point.certainty for point in calibration if point.precision >= target_precision)
    return min(enough, default=math.inf)


def measured(certainties: Sequence[float], right: Sequence[bool], precisions: Sequence[float]) -> list[Point]:
    """A new calibration: for each precision the lowest certainty from which on it was reached, if it ever was.

    Reached means beyond doubt, so that few answers prove little: .97 takes 125 of which all are right.
    """
    points = [(wanted, _lowest(certainties, right, wanted)) for wanted in precisions]
    return [Point(certainty, wanted) for wanted, certainty in points if certainty is not None]


def _lowest(certainties: Sequence[float], right: Sequence[bool], precision: float) -> float | None:
    lowest, good = None, 0
    for served, (certainty, is_right) in enumerate(sorted(zip(certainties, right, strict=True), reverse=True), 1):
        good += is_right
        if share(good, served).low >= precision:
            lowest = certainty
    return lowest
