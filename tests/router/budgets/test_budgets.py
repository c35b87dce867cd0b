"""Budgets hold whatever comes at once, on one router or on several, and give back what calls did not take."""

import asyncio
import math
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

import pytest
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from weft.common.v1 import budget_pb2, chat_pb2, error_pb2
from weft_kit.catalog.catalog import Catalog
from weft_kit.catalog.prices import Budget, Price, Prices
from weft_kit.spending import SpendingAccount, Spent, day_of, read_spent
from weft_router.budgets.budgets import Budgets, Fallback, Reservation, rest_s
from weft_router.budgets.claims import (
    BudgetLimit,
    BudgetRefusal,
    BudgetSpent,
    Claim,
    Grant,
    Granted,
    Holder,
    PlannedCall,
)
from weft_router.budgets.local_ledger import LocalLedger
from weft_router.budgets.redis_ledger import RedisLedger

NOWHERE = "redis://127.0.0.1:1"
PRICES = Prices(as_of=date(2026, 1, 1), per_million={"mock": {"mock": Price(input=Decimal(1), output=Decimal(2))}})


def catalog(**budget: Any) -> Catalog:
    """One whose every tenant has this budget."""
    return Catalog.model_construct(prices=PRICES, default_budget=Budget(**budget), budgets={})


@dataclass
class Router:
    """The budgets of one router."""

    budgets: Budgets
    catalog: Catalog

    async def reserve(self, asked: PlannedCall) -> Reservation:
        return await self.budgets.reserve(asked, self.catalog)


@asynccontextmanager
async def router(
    url: str, catalog: Catalog, fallback: Fallback = "local", limit_s: float = 5
) -> AsyncIterator[tuple[Router, RedisLedger]]:
    """A router with a connection of its own, and its ledger."""
    async with Redis.from_url(url, retry=Retry(NoBackoff(), 0)) as client:
        ledger = RedisLedger(client, limit_s=limit_s, rest_s=0.05)
        async with ledger.keeping():
            yield Router(Budgets(ledger, fallback), catalog), ledger


def call(tenant: str, prompt_tokens: int = 1, max_tokens: int = 0, **fields: Any) -> PlannedCall:
    fields = {"key_id": "k1", "key_budget": budget_pb2.Budget(), "provider": "mock", "model": "mock"} | fields
    return PlannedCall(tenant=tenant, prompt_tokens=lambda: prompt_tokens, max_tokens=max_tokens, limit_s=30, **fields)


def took(prompt: int, completion: int = 0, **fields: int) -> chat_pb2.Usage:
    return chat_pb2.Usage(prompt_tokens=prompt, completion_tokens=completion, **fields)


async def passes(router: Router, asked: PlannedCall, usage: chat_pb2.Usage | None = None) -> bool:
    """Whether a call passes; it takes what it may unless `usage` says otherwise."""
    try:
        reservation = await router.reserve(asked)
    except BudgetSpent:
        return False
    reservation.settle(usage or took(asked.prompt_tokens(), asked.max_tokens))
    return True


async def refusal(router: Router, asked: PlannedCall) -> BudgetSpent:
    with pytest.raises(BudgetSpent) as raised:
        await router.reserve(asked)
    return raised.value


async def spent(redis: Redis, tenant: str, key_id: str = "") -> Spent:
    return (await read_spent(redis, [SpendingAccount(tenant, key_id)], int(time.time())))[0]


@pytest.mark.parametrize("routers", [1, 2])
async def test_of_200_calls_at_once_100_pass_a_limit_of_100_tokens(redis_url: str, tenant: str, routers: int) -> None:
    async with AsyncExitStack() as stack:
        limited = catalog(tokens_per_minute=100)
        opened = [(await stack.enter_async_context(router(redis_url, limited)))[0] for _ in range(routers)]
        found = await asyncio.gather(*(passes(opened[i % routers], call(tenant)) for i in range(200)))
    assert sum(found) == 100


async def test_money_is_held_as_exactly_as_tokens(redis_url: str, redis: Redis, tenant: str) -> None:
    # A call takes up to 1 + 2 x 2 micros, and 100 of them are a ten-thousandth of a unit.
    async with router(redis_url, catalog(money_per_day=Decimal("0.0005"))) as (budgets, ledger):
        found = await asyncio.gather(*(passes(budgets, call(tenant, 1, 2)) for _ in range(200)))
        await ledger.booked()
    assert sum(found) == 100
    assert (await spent(redis, tenant)).micros_today == 500


async def test_what_a_call_did_not_take_is_there_for_others(redis_url: str, tenant: str) -> None:
    async with router(redis_url, catalog(tokens_per_minute=100)) as (budgets, ledger):
        assert await passes(budgets, call(tenant, 10, 90), took(10, 20))
        await ledger.booked()
        assert not await passes(budgets, call(tenant, 71))
        assert await passes(budgets, call(tenant, 70))


async def test_what_a_call_took_beyond_its_estimate_counts(redis_url: str, tenant: str) -> None:
    async with router(redis_url, catalog(tokens_per_minute=100)) as (budgets, ledger):
        assert await passes(budgets, call(tenant, 10), took(95))
        await ledger.booked()
        assert not await passes(budgets, call(tenant, 6))
        assert await passes(budgets, call(tenant, 5))


async def test_a_call_that_ends_with_nothing_said_gives_all_back(redis_url: str, tenant: str) -> None:
    async with router(redis_url, catalog(tokens_per_minute=100)) as (budgets, ledger):
        (await budgets.reserve(call(tenant, 100))).settle(chat_pb2.Usage())
        await ledger.booked()
        assert await passes(budgets, call(tenant, 100))


async def test_a_call_settled_twice_counts_once(redis_url: str, redis: Redis, tenant: str) -> None:
    async with router(redis_url, catalog(tokens_per_minute=100)) as (budgets, ledger):
        reservation = await budgets.reserve(call(tenant, 10, 10))
        assert reservation.settle(took(10, 1)) == budget_pb2.Cost(micros=12, currency="USD")
        reservation.settle(took(10, 5))
        await ledger.booked()
    found = await spent(redis, tenant)
    assert (found.tokens_last_minute, found.micros_today, found.micros_held) == (11, 12, 0)


async def test_key_and_tenant_are_charged_together_or_not_at_all(redis_url: str, redis: Redis, tenant: str) -> None:
    narrow = budget_pb2.Budget(tokens_per_minute=50)
    async with router(redis_url, catalog(tokens_per_minute=100)) as (budgets, ledger):
        assert not await passes(budgets, call(tenant, 51, key_budget=narrow))
        assert await passes(budgets, call(tenant, 50, key_budget=narrow))
        assert not await passes(budgets, call(tenant, 51, key_id="k2"))
        assert await passes(budgets, call(tenant, 50, key_id="k2"))
        await ledger.booked()
    found = [(await spent(redis, tenant, key_id)).tokens_last_minute for key_id in ("", "k1", "k2")]
    assert found == [100, 50, 50]


async def test_one_tenant_spends_nothing_of_anothers(redis_url: str, tenant: str) -> None:
    async with router(redis_url, catalog(tokens_per_minute=100)) as (budgets, _):
        assert await passes(budgets, call(tenant, 100))
        assert await passes(budgets, call(f"{tenant}-2", 100))


async def test_a_dead_routers_holds_are_given_up(redis_url: str, redis: Redis, tenant: str) -> None:
    async with router(redis_url, catalog(money_per_day=1)) as (_, ledger):
        claim = Claim("lost", 0, 1_000_000, 0.05, (BudgetLimit(SpendingAccount(tenant), 0, 1_000_000),))
        assert isinstance(await ledger.reserve(claim), Granted)
        again = replace(claim, id="again")
        assert isinstance(await ledger.reserve(again), BudgetRefusal)
        async with asyncio.timeout(20):
            while isinstance(await ledger.reserve(again), BudgetRefusal):  # noqa: ASYNC110
                await asyncio.sleep(0.02)
    assert (await spent(redis, tenant)).micros_held == 1_000_000


async def test_a_caller_that_leaves_while_redis_decides_holds_nothing(redis_url: str, tenant: str) -> None:
    async with router(redis_url, catalog(money_per_day=1)) as (_, ledger):
        claim = Claim("left", 0, 1_000_000, 60, (BudgetLimit(SpendingAccount(tenant), 0, 1_000_000),))
        asking = asyncio.create_task(ledger.reserve(claim))
        await asyncio.sleep(0)
        asking.cancel()
        async with asyncio.timeout(20):
            while isinstance(await ledger.reserve(replace(claim, id="next")), BudgetRefusal):  # noqa: ASYNC110
                await asyncio.sleep(0.02)


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


async def test_calls_without_a_limit_are_booked_and_cost_no_wait(redis_url: str, redis: Redis, tenant: str) -> None:
    async with router(redis_url, catalog()) as (budgets, ledger):
        before = (await redis.info("commandstats")).get("cmdstat_evalsha", {"calls": 0})["calls"]
        assert all(await asyncio.gather(*(passes(budgets, call(tenant, 1, 1)) for _ in range(200))))
        await ledger.booked()
        after = (await redis.info("commandstats"))["cmdstat_evalsha"]["calls"]
        assert await ledger.costs_today(tenant) == {"mock": 600}
        assert (await ledger.costs_today(""))["mock"] >= 600
    found = await spent(redis, tenant)
    assert (found.tokens_last_minute, found.micros_today) == (400, 600)
    assert after - before <= 3


async def test_a_model_without_a_price_costs_nothing_and_is_no_secret(redis_url: str, tenant: str) -> None:
    asked, limited = call(tenant, 100, 100, model="other"), catalog(money_per_day=Decimal("0.000001"))
    async with router(redis_url, limited) as (budgets, _):
        assert (await budgets.reserve(asked)).settle(took(100, 100)) is None


@pytest.mark.parametrize(("fallback", "passed"), [("local", 2), ("closed", 0), ("open", 3)])
async def test_without_redis_the_fallback_decides(tenant: str, fallback: Fallback, passed: int) -> None:
    async with router(NOWHERE, catalog(tokens_per_minute=100), fallback, limit_s=0.1) as (budgets, _):
        assert sum([await passes(budgets, call(tenant, 50)) for _ in range(3)]) == passed


async def test_without_redis_nothing_is_counted_as_spent_but_unknown(tenant: str) -> None:
    async with router(NOWHERE, catalog(tokens_per_minute=100), "closed", limit_s=0.1) as (budgets, _):
        error = await refusal(budgets, call(tenant))
    assert error.error.reason == error_pb2.ERROR_REASON_DEPENDENCY_DOWN
    assert error.error.retryable


async def test_what_was_booked_without_an_answer_is_not_booked_twice(redis_url: str, redis: Redis, tenant: str) -> None:
    async with muffled(redis_url) as (url, muffle), router(url, catalog(), limit_s=0.1) as (budgets, ledger):
        assert await passes(budgets, call(tenant, 10), took(1))
        await ledger.booked()
        swallowed = muffle()
        assert await passes(budgets, call(tenant, 10), took(7))
        await asyncio.wait_for(swallowed, 20)
        await ledger.booked()
    found = await spent(redis, tenant)
    assert (found.tokens_last_minute, found.micros_today) == (8, 8)


async def test_one_late_answer_does_not_make_redis_unknown(redis_url: str, tenant: str) -> None:
    limits = catalog(tokens_per_minute=100)
    async with muffled(redis_url) as (url, muffle), router(url, limits, "closed", limit_s=1) as (budgets, _):
        assert await passes(budgets, call(tenant, 1))
        swallowed = muffle()
        assert not await passes(budgets, call(tenant, 1))
        await asyncio.wait_for(swallowed, 20)
        assert await passes(budgets, call(tenant, 1))


@asynccontextmanager
async def muffled(url: str) -> AsyncIterator[tuple[str, Callable[[], asyncio.Future[None]]]]:
    """A wire to Redis, and what makes it swallow the next answer; the future tells when it has."""
    waiting: list[asyncio.Future[None]] = []
    port = urlsplit(url).port

    def muffle() -> asyncio.Future[None]:
        waiting.append(asyncio.get_running_loop().create_future())
        return waiting[-1]

    async def pump(reader: asyncio.StreamReader, write: Callable[[bytes], None]) -> None:
        while data := await reader.read(65536):
            write(data)

    async def connect(near: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far, far_writer = await asyncio.open_connection("127.0.0.1", port)

        def answer(data: bytes) -> None:
            if waiting:
                waiting.pop().set_result(None)
            else:
                writer.write(data)

        answers = asyncio.create_task(pump(far, answer))
        try:
            await pump(near, far_writer.write)
        finally:
            answers.cancel()
            far_writer.close()
            writer.close()

    async with await asyncio.start_server(connect, "127.0.0.1", 0) as server:
        yield url.replace(str(port), str(server.sockets[0].getsockname()[1])), muffle


def test_alone_a_router_goes_on_from_what_redis_said_last() -> None:
    ledger, account, now = LocalLedger(), SpendingAccount("acme"), 1_000_000
    ledger.saw(account, now, 900)
    claim = Claim("a", 0, 100, 30, (BudgetLimit(account, 0, 1_000),))
    assert isinstance(ledger.reserve(claim, now), Grant)
    assert isinstance(ledger.reserve(claim, now), BudgetRefusal)
    tomorrow = (day_of(now) + 1) * 86_400
    assert isinstance(ledger.reserve(claim, tomorrow), Grant)


def test_alone_a_router_keeps_minutes_and_gives_back() -> None:
    ledger, now = LocalLedger(), 1_000_000
    claim = Claim(
        "a", 60, 0, 30, (BudgetLimit(SpendingAccount("acme"), 100, 0), BudgetLimit(SpendingAccount("acme", "k"), 0, 0))
    )
    grant = ledger.reserve(claim, now)
    assert grant == Grant(now, Holder.HERE)
    refused = ledger.reserve(claim, now + 1)
    assert isinstance(refused, BudgetRefusal)
    assert (refused.used, refused.wait_s) == (60, 1)
    ledger.settle(claim, Grant(now, Holder.HERE), tokens=41, micros=0)
    refused = ledger.reserve(claim, now + 1)
    assert isinstance(refused, BudgetRefusal)
    assert (refused.used, refused.wait_s) == (41, 60)
    assert isinstance(ledger.reserve(claim, now + 61), Grant)


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
