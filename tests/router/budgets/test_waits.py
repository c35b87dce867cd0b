"""A call that is refused is told the numbers and when to come again, and its job rests that long."""

import math
import time
from decimal import Decimal
from typing import Any

import pytest
from tests.router.budgets.routers import call, catalog, passes, refusal, router

from weft.common.v1 import error_pb2
from weft_router.budgets.budgets import rest_s


async def test_a_refusal_has_the_numbers_and_says_when_to_come_again(redis_url: str, tenant: str) -> None:
    async with router(redis_url, catalog(tokens_per_minute=100)) as (budgets, ledger):
        assert await passes(budgets, call(tenant, 90))
        await ledger.booked()
        error = await refusal(budgets, call(tenant, 11))
    assert error.error.reason == error_pb2.ERROR_REASON_QUOTA_EXCEEDED
    assert error.error.retryable
    assert f"tenant {tenant} may spend 100 tokens a minute: 90 are spent" in error.error.message
    assert 58 <= (error.wait_s or 0) <= 61


async def test_spent_money_is_back_at_midnight_utc(redis_url: str, tenant: str) -> None:
    async with router(redis_url, catalog(money_per_day=Decimal("0.0001"))) as (budgets, ledger):
        assert await passes(budgets, call(tenant, 90))
        await ledger.booked()
        error = await refusal(budgets, call(tenant, 11))
    assert "may spend 0.0001 USD a day (UTC): 0.00009 are spent" in error.error.message
    assert math.isclose(error.wait_s or 0, 86_400 - time.time() % 86_400, abs_tol=5)


@pytest.mark.parametrize("budget", [{"tokens_per_minute": 100}, {"money_per_day": Decimal("0.0001")}])
async def test_what_is_only_held_is_waited_for_a_moment(redis_url: str, tenant: str, budget: Any) -> None:
    async with router(redis_url, catalog(**budget)) as (budgets, _):
        await budgets.reserve(call(tenant, 90))
        assert (await refusal(budgets, call(tenant, 20))).wait_s == 1


async def test_a_call_that_can_never_fit_is_told_so(redis_url: str, tenant: str) -> None:
    async with router(redis_url, catalog(tokens_per_minute=100)) as (budgets, _):
        error = await refusal(budgets, call(tenant, 1, 100))
    assert error.wait_s is None
    assert not error.error.retryable
    assert "a call may take 101 here, more than the 100 tokens a minute" in error.error.message


@pytest.mark.parametrize(
    ("wait_s", "left_s", "delivery", "rests_s"),
    [
        (1, 600, 1, 1.125),
        (61, 600, 1, 68.625),
        (61, 61, 1, None),
        (1, 600, 25, 6.0),
        (1, 100, 49, 95.0),
        (1, 100, 50, None),
        (99, 100, 1, 99.0),
    ],
)
def test_a_job_rests_as_told_and_longer_the_more_often_it_was_handed_out(
    wait_s: float, left_s: float, delivery: int, rests_s: float | None
) -> None:
    assert rest_s(wait_s, left_s, delivery, max_deliveries=50, share=0.5) == rests_s


def test_rests_last_for_a_jobs_life() -> None:
    left_s, delivery = 600.0, 1
    while (rest := rest_s(1, left_s, delivery, max_deliveries=50, share=0.0)) is not None:
        left_s, delivery = left_s - rest, delivery + 1
    assert left_s < 10
