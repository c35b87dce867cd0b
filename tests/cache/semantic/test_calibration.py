"""From a wanted precision to the certainty that a hit needs."""

import math
import random

import pytest

from weft_cache.audits.adaptive_threshold import Ladder, raised
from weft_cache.config import Config
from weft_cache.semantic.calibration import (
    CALIBRATION,
    Point,
    measured,
    threshold,
)
from weft_cache.semantic.scoring import Neighbour, certainty
from weft_cache.wilson import share

TABLE = (Point(0.7, 0.9), Point(0.9, 0.97), Point(0.95, 0.99))


@pytest.mark.parametrize(("target", "needed"), [(0.5, 0.7), (0.9, 0.7), (0.95, 0.9), (0.98, 0.95), (0.999, math.inf)])
def test_the_lowest_confidence_that_reached_the_target(target, needed):
    assert threshold(TABLE, target) == needed


def test_the_shipped_table_asks_for_more_where_more_is_wanted():
    needed = [threshold(CALIBRATION, target) for target in (0.85, 0.9, 0.92)]
    assert needed == sorted(needed)
    assert needed[-1] < 1


def test_a_measured_point_holds_from_its_confidence_upwards():
    rng = random.Random(1)
    certainties = [rng.random() for _ in range(40_000)]
    right = [rng.random() < certainty for certainty in certainties]
    [low, high] = measured([(certainties, right)], [0.8, 0.9])
    assert (low.certainty, high.certainty) == (pytest.approx(0.6, abs=0.05), pytest.approx(0.8, abs=0.05))
    for point in (low, high):
        served = [good for certainty, good in zip(certainties, right, strict=True) if certainty >= point.certainty]
        assert share(sum(served), len(served)).low >= point.precision


def test_a_precision_that_was_never_reached_has_no_point():
    assert measured([([0.9] * 50, [False] * 50)], [0.9]) == []


def test_a_handful_of_answers_proves_nothing():
    assert measured([([0.9] * 5, [True] * 5)], [0.9]) == []
    assert measured([([0.9] * 50, [True] * 50)], [0.9]) == [Point(0.9, 0.9)]


def test_the_worst_kind_of_shelf_decides():
    good, bad = ([0.8] * 100, [True] * 100), ([0.9] * 100 + [0.8] * 100, [True] * 100 + [False] * 100)
    assert measured([good], [0.9]) == [Point(0.8, 0.9)]
    assert measured([good, bad], [0.9]) == [Point(0.9, 0.9)]
    assert measured([good, ([0.9] * 100, [False] * 100)], [0.9]) == []


def test_the_strictest_threshold_that_audits_ask_for_is_one_that_the_surest_reach():
    ladder, one = Ladder(), Neighbour(0.99, "the answer", 0.99)
    needed = threshold(CALIBRATION, Config().target_precision)
    assert needed < raised(needed, ladder.rungs, ladder) < certainty(one, [one])
