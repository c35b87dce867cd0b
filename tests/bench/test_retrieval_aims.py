"""The aims at the top of bench/RETRIEVAL.md: met, missed, or not measured."""

from bench.report.document import Aim
from bench.retrieval_quality.aims import aims, render
from bench.retrieval_quality.known_items import Recall
from bench.retrieval_quality.scale import Stretch, Times


def stretch(chunks: int, p50_s: float, p99_s: float) -> Stretch:
    times = Times.of([[p50_s] * 98 + [p99_s] * 2] * 3)
    return Stretch(chunks, 0.0, times, times, 1.0, 100.0, 1.0)


def by_name(found: list[Aim]) -> dict[str, bool | None]:
    return {aim.wanted: aim.met for aim in found}


def test_a_set_that_was_not_there_is_not_measured_and_said_so():
    found = aims([], [])
    assert {aim.met for aim in found} == {None}
    assert sum("not measured" in line for line in render(found)) == len(found)


def test_known_items_are_judged_by_the_default_way_alone():
    known = [
        Recall("zh", "both (default)", 100, 0.90),
        Recall("zh", "words alone", 100, 0.5),
        Recall("ru", "both (default)", 100, 0.92),
        Recall("ru", "words alone", 100, 0.99),
    ]
    met = {wanted.split(" ")[0]: met for wanted, met in by_name(aims(known, [])).items()}
    assert (met["Chinese"], met["Russian"], met["Japanese"]) == (True, False, None)


def test_speed_is_judged_by_the_median_round():
    fast, slow = aims([], [stretch(10_000, 0.02, 0.05), stretch(100_000, 0.024, 0.09)]), aims([], [])
    assert [aim.met for aim in fast[3:]] == [True, False, True]
    assert fast[4].reached == "90.0 (90.0 to 90.0)"
    assert [aim.met for aim in slow[3:]] == [None, None, None]


def test_sizes_other_than_those_aimed_at_say_nothing_of_the_aims():
    assert {aim.met for aim in aims([], [stretch(500, 0.001, 0.001), stretch(1000, 0.001, 0.001)])} == {None}
