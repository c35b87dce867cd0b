"""How certain a match must be for a given share of answers to be right.

The table belongs to the shipped weights: bench/cache_quality/calibrating.py measured it. docs/cache.md says how to
measure one for your own questions.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import Final

from weft_cache.wilson import share


@dataclass(frozen=True, slots=True)
class Point:
    """Of the answers that are at least this certain, this share is right: the lower end of its 95 % interval."""

    certainty: float
    precision: float


# Rounded up: .92 is reached from .39 on, and the weights were fitted at .5. No threshold proved more for every kind of
# partition: the labels are wrong about as often.
CALIBRATION: Final = (Point(0.1, 0.9), Point(0.5, 0.92))
CALIBRATED_FOR: Final = frozenset({"all-MiniLM-L6-v2-fp32", "all-MiniLM-L6-v2-int8-by-piece"})
"""Embedders that weights and table were measured with, or whose cosines are the same within .006. Others have other
cosines: for two unrelated questions .1 with these, and .75 with multilingual-e5-small."""


def threshold(calibration: Sequence[Point], target_precision: float) -> float:
    """Returns the lowest certainty at which the target was reached; infinity if it never was."""
    enough = (point.certainty for point in calibration if point.precision >= target_precision)
    return min(enough, default=math.inf)


Lookups = tuple[Sequence[float], Sequence[bool]]
"""For one kind of partition: each lookup's highest certainty, and whether that answer was right."""


def measured(kinds: Sequence[Lookups], precisions: Sequence[float]) -> list[Point]:
    """Returns a new calibration: for each precision the lowest certainty from which every kind reached it.

    Reached means the lower end of the interval, so few answers prove little: .97 takes 125, all of them right. The
    worst kind decides, since it is not known which kind a partition is.
    """
    points = []
    for wanted in precisions:
        lowest = [_lowest(certainties, right, wanted) for certainties, right in kinds]
        needed = [certainty for certainty in lowest if certainty is not None]
        if needed and len(needed) == len(lowest):
            points.append(Point(max(needed), wanted))
    return points


def _lowest(certainties: Sequence[float], right: Sequence[bool], precision: float) -> float | None:
    lowest, good, served = None, 0, 0
    ordered = sorted(zip(certainties, right, strict=True), reverse=True)
    for certainty, alike in groupby(ordered, key=itemgetter(0)):  # a threshold admits all equally certain ones, or none
        flags = [is_right for _, is_right in alike]
        good, served = good + sum(flags), served + len(flags)
        if share(good, served).low >= precision:
            lowest = certainty
    return lowest
