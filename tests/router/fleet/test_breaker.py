"""A breaker opens by the share of failing or slow calls, lets probes through, and closes or opens for longer."""

import asyncio

import pytest

from weft.common.v1 import error_pb2
from weft_kit.catalog.routing import Breaking
from weft_router.fleet.breaker import BreakerState, CallOutcome, ProviderBreaker
from weft_router.fleet.calls import ProviderCall
from weft_router.fleet.concurrency import CallCaps, ConcurrencyLimit
from weft_router.fleet.health import ProviderHealth, quantile_s
from weft_router.providers.provider import ProviderError, Remedy

LIMITS = Breaking(minimum_calls=4, window_calls=8, window_s=60, open_s=2, longest_open_s=5)


def ended(breaker: ProviderBreaker, outcome: CallOutcome, *, times: int = 1, at: float = 0) -> None:
    for _ in range(times):
        breaker.ended(outcome, at, is_probe=breaker.begun(at))


def opened(limits: Breaking = LIMITS) -> ProviderBreaker:
    breaker = ProviderBreaker(limits)
    ended(breaker, CallOutcome.BAD, times=4)
    return breaker


def test_a_few_failures_are_too_few_to_judge() -> None:
    breaker = ProviderBreaker(LIMITS)
    ended(breaker, CallOutcome.BAD, times=3)
    assert breaker.state(0) is BreakerState.CLOSED

    ended(breaker, CallOutcome.BAD)
    assert breaker.state(0) is BreakerState.OPEN
    assert not breaker.allows(1.9)
    assert breaker.closed_for_s(0.5) == 1.5


def test_it_opens_when_half_of_the_recent_calls_failed() -> None:
    breaker = ProviderBreaker(LIMITS)
    ended(breaker, CallOutcome.GOOD, times=100)
    ended(breaker, CallOutcome.BAD, times=3)
    assert breaker.allows(0)

    ended(breaker, CallOutcome.BAD)
    assert not breaker.allows(0)


def test_it_opens_when_most_of_the_recent_calls_were_slow() -> None:
    breaker = ProviderBreaker(LIMITS)
    ended(breaker, CallOutcome.GOOD, times=2)
    ended(breaker, CallOutcome.SLOW, times=5)
    assert breaker.allows(0)

    ended(breaker, CallOutcome.SLOW, times=2)
    assert not breaker.allows(0)


def test_what_is_long_past_does_not_count() -> None:
    breaker = ProviderBreaker(LIMITS)
    ended(breaker, CallOutcome.BAD, times=3)
    ended(breaker, CallOutcome.BAD, at=61)

    assert breaker.allows(61)


def test_as_many_probes_pass_as_are_allowed() -> None:
    breaker = opened(Breaking(minimum_calls=4, open_s=2, probes=2))
    assert breaker.state(2) is BreakerState.HALF_OPEN

    assert breaker.begun(2)
    assert breaker.allows(2)
    assert breaker.begun(2)
    assert not breaker.allows(2)
    assert breaker.closed_for_s(2) > 0


def test_probes_that_succeed_close_it() -> None:
    breaker = opened(Breaking(minimum_calls=4, open_s=2, probes=2))
    ended(breaker, CallOutcome.GOOD, at=2)
    assert breaker.state(2) is BreakerState.HALF_OPEN

    ended(breaker, CallOutcome.GOOD, at=2)
    assert breaker.state(2) is BreakerState.CLOSED
    assert breaker.closed_for_s(2) == 0


def test_a_probe_that_fails_opens_it_for_longer_up_to_a_limit() -> None:
    breaker = opened()
    ended(breaker, CallOutcome.BAD, at=2)
    assert breaker.closed_for_s(2) == 4

    ended(breaker, CallOutcome.BAD, at=6)
    assert breaker.closed_for_s(6) == 5


def test_a_probe_that_we_left_proves_nothing() -> None:
    breaker = opened()
    ended(breaker, CallOutcome.NOTHING, at=2)
    assert breaker.state(2) is BreakerState.HALF_OPEN
    assert breaker.allows(2)


def test_calls_that_began_before_it_opened_do_not_keep_it_open_for_longer() -> None:
    breaker = opened()
    breaker.ended(CallOutcome.BAD, 1, is_probe=False)
    assert breaker.closed_for_s(1) == 1


def test_it_opens_for_as_long_as_another_replica_keeps_it_open() -> None:
    breaker = ProviderBreaker(LIMITS)
    breaker.opened_elsewhere(3, now=10)

    assert breaker.state(12) is BreakerState.OPEN
    assert breaker.state(13) is BreakerState.HALF_OPEN


def calling(health: ProviderHealth) -> ProviderCall:
    return ProviderCall(health, ConcurrencyLimit(CallCaps(None, None)))


def failing(remedy: Remedy) -> ProviderError:
    return ProviderError(error_pb2.ERROR_REASON_PROVIDER_ERROR, "no", remedy)


def test_requests_that_no_provider_would_take_do_not_open_it() -> None:
    health = ProviderHealth(LIMITS)
    for _ in range(10):
        calling(health).failed(failing(Remedy.NOTHING))

    assert health.breaker.allows(0)
    assert (health.failed, health.last_error, health.last_call_succeeded) == (10, "PROVIDER_ERROR", None)
    assert health.errors == {"PROVIDER_ERROR": 10}


def test_health_counts_what_it_sees() -> None:
    health = ProviderHealth(LIMITS)
    call = calling(health)
    assert health.in_flight == 1
    for seconds in (0.1, 0.2, 0.3, 0.4):
        call.first_token(seconds)
    call.succeeded(tokens=8)
    calling(health).failed(failing(Remedy.ANOTHER_TRY))

    assert (health.in_flight, health.succeeded, health.failed) == (0, 1, 1)
    assert quantile_s(health.first_tokens_s, 0.5) == 0.3
    assert quantile_s(health.first_tokens_s, 0.95) == 0.4
    assert health.last_call_succeeded is False


def test_a_call_ends_once() -> None:
    health = ProviderHealth(LIMITS)
    call = calling(health)
    call.failed(failing(Remedy.ANOTHER_TRY))
    call.left()

    assert health.in_flight == 0


async def test_a_call_that_is_left_after_it_was_slow_counts_as_slow() -> None:
    health = ProviderHealth(LIMITS.model_copy(update={"slow_s": 0.001}))
    calls = [calling(health) for _ in range(4)]
    await asyncio.sleep(0.01)
    for call in calls:
        call.lose()

    assert health.breaker.times_opened == 1


def test_a_first_token_is_late_after_the_p95_once_enough_were_seen() -> None:
    health = ProviderHealth(LIMITS)
    for _ in range(19):
        health.first_token(0.1, 0)
    assert health.unusually_late_s() is None

    health.first_token(0.2, 0)
    assert health.unusually_late_s() == 0.2


def test_where_many_are_slow_late_is_five_times_the_usual() -> None:
    health = ProviderHealth(LIMITS)
    for place in range(100):
        health.first_token(2.0 if place < 10 else 0.02, 0)

    assert health.unusually_late_s() == pytest.approx(0.1)
