"""How strict a partition is, after what was found wrong there and after time."""

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft_cache.audits.adaptive_threshold import (
    AdaptiveThreshold,
    Ladder,
    as_of,
    judged,
    raised,
)
from weft_cache.wilson import share

LADDER = Ladder(bound=0.02, rungs=3, hold_s=100, rest_s=10, longest_rest_s=35)
FRESH = AdaptiveThreshold()


def after(*wrongs: bool, watch: AdaptiveThreshold = FRESH, now: float = 0.0) -> AdaptiveThreshold:
    for is_wrong in wrongs:
        watch = judged(watch, is_wrong=is_wrong, now=now, ladder=LADDER)
    return watch


def off(now: float = 0.0, watch: AdaptiveThreshold = FRESH) -> AdaptiveThreshold:
    """Driven to the top by wrong hits alone."""
    while as_of(watch, now, LADDER).level < LADDER.off:
        watch = after(True, watch=watch, now=now)
    return watch


def test_a_single_wrong_hit_is_no_evidence():
    assert after(True).level == 0
    assert after(True, *[False] * 200).level == 0


def test_wrong_hits_beyond_doubt_raise_the_threshold_and_begin_a_new_count():
    assert after(True, True) == AdaptiveThreshold(level=1, since=0.0)


def test_as_many_wrong_hits_among_more_right_ones_prove_nothing():
    assert after(*[False] * 40, True, True).level == 0
    assert share(2, 42).low < LADDER.bound


def test_after_the_last_rung_the_tier_is_off_and_old_hits_count_for_nothing():
    watch = off()
    assert (watch.level, watch.rests) == (LADDER.off, 1)
    assert after(True, True, True, watch=watch) == watch


def test_time_leads_down_again_rung_by_rung():
    watch = off()
    levels = [as_of(watch, now, LADDER).level for now in (9, 10, 109, 110, 210, 309, 310, 9_999)]
    assert levels == [4, 3, 3, 2, 1, 1, 0, 0]


def test_each_time_the_tier_is_turned_off_anew_it_stays_off_twice_as_long_up_to_a_bound():
    watch, now, stays = AdaptiveThreshold(), 0.0, []
    for _ in range(4):
        watch = off(now, watch)
        began = now
        while as_of(watch, now, LADDER).level == LADDER.off:
            now += 1
        stays.append(now - began)
    assert stays == [10, 20, 35, 35]


def test_a_partition_that_recovered_starts_with_a_clean_record():
    assert off(now=10_000, watch=off()).rests == 1


def test_old_audits_fade_so_that_a_change_shows():
    steady = after(*[False] * 10_000)
    assert steady.audits <= 500
    assert after(*[True] * 40, watch=steady).level > 0


def test_every_level_asks_for_more_and_never_for_more_than_equality():
    thresholds = [raised(0.9, level, LADDER) for level in range(LADDER.off + 1)]
    assert thresholds == pytest.approx([0.9, 0.925, 0.95, 0.975, 1.0])
    assert not any(raised(math.inf, level, LADDER) <= 1.0 for level in range(LADDER.off + 1))


events = st.lists(st.tuples(st.floats(0, 500), st.booleans()), max_size=60)


@given(events)
def test_whatever_happens_a_watch_stays_on_the_ladder_and_recovers_by_itself(history):
    watch, now = AdaptiveThreshold(), 0.0
    for passed_s, is_wrong in history:
        now += passed_s
        before = as_of(watch, now, LADDER)
        watch = judged(watch, is_wrong=is_wrong, now=now, ladder=LADDER)
        assert watch.level in {before.level, before.level + 1}
        assert 0 <= watch.level <= LADDER.off
        assert 0 <= watch.wrong <= watch.audits
        assert watch.since <= now
    patience_s = LADDER.longest_rest_s + LADDER.rungs * LADDER.hold_s
    assert as_of(watch, now + patience_s, LADDER).level == 0


@given(events, st.lists(st.floats(0, 2_000), min_size=2, max_size=6))
def test_time_alone_only_eases_and_is_not_counted_twice(history, moments):
    watch, now = AdaptiveThreshold(), 0.0
    for passed_s, is_wrong in history:
        now += passed_s
        watch = judged(watch, is_wrong=is_wrong, now=now, ladder=LADDER)
    later = sorted(now + moment for moment in moments)
    levels = [as_of(watch, moment, LADDER).level for moment in later]
    assert all(earlier >= next_ for earlier, next_ in pairwise(levels))
    assert as_of(as_of(watch, later[0], LADDER), later[-1], LADDER) == as_of(watch, later[-1], LADDER)


@given(st.lists(st.just(False), max_size=60), st.integers(0, 3))
def test_right_hits_alone_never_make_a_partition_stricter(history, level):
    watch = AdaptiveThreshold(level=level)
    assert after(*history, watch=watch).level <= level
