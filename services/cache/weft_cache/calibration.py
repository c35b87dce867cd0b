"""How certain it must be for so many of the answers to be right.

The table was measured on 450 questions held out of banking77's train split; it holds for the weights that ship, and
goes with them. docs/cache.md says how to measure one for questions of your own.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

_LEAST_ANSWERS: Final = 20


@dataclass(frozen=True, slots=True)
class Point:
    """Of the answers that were at least so certain, this share was right."""

    certainty: float
    precision: float


CALIBRATION: Final = (Point(0.15, 0.97), Point(0.5, 0.98), Point(0.6, 0.985), Point(0.93, 0.99))


def threshold(calibration: Sequence[Point], target_precision: float) -> float:
    """The certainty from which on the target was reached; infinite, which nothing reaches, when it never was."""
    enough = (point.certainty for point in calibration if point.precision >= target_precision)
    return min(enough, default=math.inf)


def measured(certainties: Sequence[float], right: Sequence[bool], precisions: Sequence[float]) -> list[Point]:
    """A new calibration: for each precision the lowest certainty from which on it was reached, if it ever was.

    Fewer than twenty answers prove nothing.
    """
    points = [(wanted, _lowest(certainties, right, wanted)) for wanted in precisions]
    return [Point(certainty, wanted) for wanted, certainty in points if certainty is not None]


def _lowest(certainties: Sequence[float], right: Sequence[bool], precision: float) -> float | None:
    lowest, good = None, 0
    for served, (certainty, is_right) in enumerate(sorted(zip(certainties, right, strict=True), reverse=True), 1):
        good += is_right
        if served >= _LEAST_ANSWERS and good >= precision * served:
            lowest = certainty
    return lowest
