"""Parts one can do without: when they are left alone, and when asked again."""

import asyncio

import pytest

from weft_kit.breaker import Breaker, CallBreaker, Silence


def test_a_breaker_opens_after_failures_in_a_row_and_then_lets_one_try() -> None:
    breaker = Breaker(threshold=2, rest_s=10)
    breaker.failed(0)
    breaker.succeeded()
    breaker.failed(1)
    assert breaker.allows(1)
    breaker.failed(1)
    assert [breaker.allows(now) for now in (2, 10.9, 11, 12, 21)] == [False, False, True, False, True]
    breaker.succeeded()
    assert breaker.allows(22)


def test_a_breaker_opens_rests_and_lets_one_try() -> None:
    breaker = Breaker(threshold=2, rest_s=10)
    breaker.failed(0)
    assert breaker.allows(0)
    breaker.failed(0)
    assert not breaker.allows(9)
    assert breaker.allows(10)
    assert not breaker.allows(10)
    breaker.succeeded()
    assert breaker.allows(11)


def test_silence_lasts_only_while_somebody_waits() -> None:
    silence = Silence()
    silence.asked(0.0)
    assert silence.given_up(0.5) == 0.5
    silence.asked(100.0)
    assert silence.given_up(100.25) == 0.75
    silence.asked(200.0)
    silence.asked(200.1)
    silence.heard(200.5)
    assert silence.given_up(200.75) == 0.25


class Time:
    """Seconds that pass when told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def breaker(time: Time, silence_counts: int = 2) -> CallBreaker:
    return CallBreaker(Breaker(threshold=2, rest_s=10.0), silence_s=1.0, silence_counts=silence_counts, clock=time)


@pytest.mark.parametrize("outcome", ["failed", "broke"])
def test_calls_that_fail_in_a_row_open_it_whether_or_not_they_are_answered(outcome: str) -> None:
    calls = breaker(Time())
    for allowed in (True, True, False):
        assert calls.allows() is allowed
        with calls.call() as call:
            getattr(call, outcome)()


@pytest.mark.parametrize("between", ["succeeded", "refused"])
def test_of_answers_only_those_of_a_part_that_works_close_it(between: str) -> None:
    calls = breaker(Time())
    for outcome in ("failed", between, "failed"):
        with calls.call() as call:
            getattr(call, outcome)()
    assert calls.allows() is (between == "succeeded")


@pytest.mark.parametrize(("counts", "late"), [(2, 1), (1, 2)])
def test_a_part_that_answers_nobody_counts_as_failing(counts: int, late: int) -> None:
    time = Time()
    calls = breaker(time, counts)
    for _ in range(late):
        assert calls.allows()
        with calls.call() as call:
            time.now += 1.5
            assert call.late()
    assert not calls.allows()


def test_a_part_that_answers_others_is_busy_however_late_it_is() -> None:
    time = Time()
    calls = breaker(time)
    for _ in range(5):
        with calls.call() as late:
            time.now += 0.75
            with calls.call() as other:
                other.succeeded()
            time.now += 0.75
            assert not late.late()
    assert calls.allows()


def test_a_call_that_is_cancelled_is_owed_no_more() -> None:
    time = Time()
    calls = breaker(time)
    with pytest.raises(asyncio.CancelledError), calls.call():
        raise asyncio.CancelledError
    time.now += 100.0  # nobody waits
    with calls.call() as call:
        time.now += 0.5
        assert not call.late()
