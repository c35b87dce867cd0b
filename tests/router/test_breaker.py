"""A breaker opens, lets one probe through, and closes or opens for longer."""

import pytest

from weft.common.v1 import error_pb2
from weft_router.breaker import Breaker, BreakerLimits, BreakerState
from weft_router.health import ProviderHealth
from weft_router.providers.port import ProviderError, Remedy

LIMITS = BreakerLimits(failures=3, open_s=2, longest_open_s=5)


def opened(at: float) -> Breaker:
    breaker = Breaker(LIMITS)
    for _ in range(LIMITS.failures):
        breaker.failed(at)
    return breaker


def test_it_opens_after_failures_in_a_row() -> None:
    breaker = Breaker(LIMITS)
    breaker.failed(0)
    breaker.failed(0)
    breaker.succeeded()
    breaker.failed(0)
    breaker.failed(0)
    assert breaker.allows(0)

    breaker.failed(0)
    assert breaker.state(0) is BreakerState.OPEN
    assert not breaker.allows(1.9)
    assert breaker.closed_for_s(0.5) == 1.5


def test_one_probe_passes_at_a_time() -> None:
    breaker = opened(0)
    assert breaker.state(2) is BreakerState.HALF_OPEN
    assert breaker.allows(2)

    breaker.begun(2)
    assert not breaker.allows(2)
    assert breaker.closed_for_s(2) > 0


def test_a_probe_that_succeeds_closes_it() -> None:
    breaker = opened(0)
    breaker.begun(2)
    breaker.succeeded()
    assert breaker.state(2) is BreakerState.CLOSED
    assert breaker.closed_for_s(2) == 0


def test_a_probe_that_fails_opens_it_for_longer_up_to_a_limit() -> None:
    breaker = opened(0)
    breaker.begun(2)
    breaker.failed(2)
    assert breaker.closed_for_s(2) == 4

    breaker.begun(6)
    breaker.failed(6)
    assert breaker.closed_for_s(6) == 5


def test_a_probe_that_we_left_proves_nothing() -> None:
    breaker = opened(0)
    breaker.begun(2)
    breaker.left()
    assert breaker.state(2) is BreakerState.HALF_OPEN
    assert breaker.allows(2)


def test_calls_that_began_before_it_opened_do_not_keep_it_open_for_longer() -> None:
    breaker = opened(0)
    breaker.failed(1)
    assert breaker.closed_for_s(1) == 1


def refuse(health: ProviderHealth, remedy: Remedy) -> None:
    with pytest.raises(ProviderError), health.calling():
        raise ProviderError(error_pb2.ERROR_REASON_PROVIDER_ERROR, "no", remedy)


def test_requests_that_no_provider_would_take_do_not_open_it() -> None:
    health = ProviderHealth(LIMITS)
    for _ in range(10):
        refuse(health, Remedy.NOTHING)
    assert health.breaker.allows(0)
    assert (health.failed, health.last_error, health.last_call_succeeded) == (10, "no", None)


def test_health_counts_what_it_sees() -> None:
    health = ProviderHealth(LIMITS)
    with health.calling():
        assert health.in_flight == 1
        for seconds in (0.1, 0.2, 0.3, 0.4):
            health.first_token(seconds)
    refuse(health, Remedy.ANOTHER_TRY)

    assert (health.in_flight, health.succeeded, health.failed) == (0, 1, 1)
    assert health.first_token_quantile_s(0.5) == 0.3
    assert health.first_token_quantile_s(0.95) == 0.4
    assert health.last_call_succeeded is False


def test_a_busy_provider_is_expected_to_be_slower() -> None:
    health = ProviderHealth(LIMITS)
    health.first_token(0.1)
    with health.calling():
        assert health.expected_first_token_s == pytest.approx(0.2)
