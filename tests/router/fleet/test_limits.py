"""What is bounded beforehand: extra calls, calls at once and a minute, and how slowly a stream may run."""

import asyncio
from typing import Any

import pytest

from weft_kit.catalog.routing import Throughput
from weft_kit.joblog.queue.fair_queue import QUANTUM_TOKENS, FairQueue
from weft_router.fleet.concurrency import CallCaps, ConcurrencyLimit, Waiter, room_at_any
from weft_router.routing.retry_budget import RetryBudget
from weft_router.routing.timeouts import StreamPace


def taken(retry_budget: RetryBudget, now: float, tries: int = 1000) -> int:
    return sum(retry_budget.take(now) for _ in range(tries))


def test_extra_calls_are_a_share_of_the_first_ones() -> None:
    retry_budget = RetryBudget(share=0.1, floor=0, over_s=10)
    for _ in range(300):
        retry_budget.called(0)

    assert taken(retry_budget, 0) == 30


def test_a_few_extra_calls_are_allowed_in_any_case() -> None:
    assert taken(RetryBudget(share=0.1, floor=3, over_s=10), 0) == 3


def test_what_was_taken_is_given_again_once_the_time_has_passed() -> None:
    retry_budget = RetryBudget(share=0.1, floor=3, over_s=10)
    assert taken(retry_budget, 0) == 3
    assert taken(retry_budget, 9) == 0
    assert taken(retry_budget, 11) == 3


def test_an_outage_is_not_amplified_beyond_the_share_in_any_window() -> None:
    retry_budget = RetryBudget(share=0.1, floor=0, over_s=10)
    extra = 0
    for tenth in range(600):
        for _ in range(10):
            retry_budget.called(tenth / 10)
        extra += taken(retry_budget, tenth / 10, tries=10)

    assert extra <= 0.1 * 6000


def test_a_provider_takes_so_many_calls_at_once() -> None:
    caps = CallCaps(max_concurrency=2, calls_per_minute=None)
    caps.begun(0)
    caps.begun(0)
    assert not caps.has_room(0)

    caps.ended()
    assert caps.has_room(0)


def test_a_provider_takes_so_many_calls_in_any_minute() -> None:
    caps = CallCaps(max_concurrency=None, calls_per_minute=2)
    caps.begun(0)
    caps.begun(10)

    assert not caps.has_room(30)
    assert caps.rest_s(30) == 30
    assert caps.has_room(60)


async def test_whoever_waits_longest_is_told_when_somebody_leaves() -> None:
    concurrency_limit = ConcurrencyLimit(CallCaps(1, None))
    concurrency_limit.entered(0)
    order: list[str] = []

    async def wait(name: str) -> None:
        await room_at_any([concurrency_limit], Waiter())
        order.append(name)

    async with asyncio.TaskGroup() as group:
        first = group.create_task(wait("first"))
        group.create_task(wait("second"))
        await asyncio.sleep(0)
        concurrency_limit.left()
        await first
        assert order == ["first"]
        concurrency_limit.left()


async def told(concurrency_limit: ConcurrencyLimit, waiters: dict[str, Waiter]) -> str:
    """Whom the limit tells, one after another; of each the first letter of its name."""
    order = ""

    async def wait(name: str, waiter: Waiter) -> None:
        nonlocal order
        await room_at_any([concurrency_limit], waiter)
        order += name[0]

    async with asyncio.TaskGroup() as group:
        for name, waiter in waiters.items():
            group.create_task(wait(name, waiter))
        await asyncio.sleep(0)
        for _ in waiters:
            concurrency_limit.left()
    return order


def crowd(tenant: str, count: int = 6, **fields: Any) -> dict[str, Waiter]:
    return {f"{tenant} {number}": Waiter(tenant, **({"tokens": QUANTUM_TOKENS} | fields)) for number in range(count)}


async def test_tenants_that_wait_for_room_take_turns_whatever_their_priorities() -> None:
    order = await told(ConcurrencyLimit(CallCaps(1, None)), crowd("a", urgency=1) | crowd("b", 2, urgency=3))
    assert order[:4].count("b") == 2


async def test_the_weight_of_a_tenant_counts_for_room_too() -> None:
    turns = FairQueue(lambda tenant: 3.0 if tenant == "a" else 1.0)
    order = await told(ConcurrencyLimit(CallCaps(1, None), turns), crowd("a", 12) | crowd("b", 12))
    assert order[:8].count("a") == 6


async def test_of_a_tenants_jobs_the_most_urgent_gets_room_first() -> None:
    jobs = {name: Waiter("acme", urgency) for name, urgency in (("low", 3), ("normal", 2), ("high", 1))}
    assert await told(ConcurrencyLimit(CallCaps(1, None)), jobs) == "hnl"


async def test_expedited_jobs_get_room_before_all_others() -> None:
    order = await told(ConcurrencyLimit(CallCaps(1, None)), crowd("a") | crowd("b", 3, expedited=True))
    assert order[:3] == "bbb"


async def test_whoever_is_told_in_vain_passes_it_on() -> None:
    concurrency_limit = ConcurrencyLimit(CallCaps(1, None))
    concurrency_limit.entered(0)
    gone, waiting = (asyncio.create_task(room_at_any([concurrency_limit], Waiter())) for _ in range(2))
    await asyncio.sleep(0)
    concurrency_limit.left()
    gone.cancel()

    async with asyncio.timeout(5):
        await waiting
    assert gone.cancelled()


FLOOR = Throughput(tokens_per_s=5, over_s=4)


def trickled(flow: StreamPace, *, every_s: float, until_s: float, tokens: int = 1) -> float | None:
    """When a stream with a token every so often was found to trickle."""
    for place in range(round(until_s / every_s) + 1):
        now = place * every_s
        flow.came(tokens, now)
        if flow.trickles(now):
            return now
    return None


def test_a_token_a_second_is_found_out_after_the_time_to_watch() -> None:
    assert trickled(StreamPace(FLOOR), every_s=1, until_s=30) == pytest.approx(4)


def test_a_stream_that_keeps_up_is_let_run() -> None:
    assert trickled(StreamPace(FLOOR), every_s=0.125, until_s=60) is None
    assert trickled(StreamPace(FLOOR), every_s=2, until_s=60, tokens=20) is None
