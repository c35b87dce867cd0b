"""Budgets hold whatever comes at once, on one router or on several, and give back what calls did not take."""

import asyncio
from contextlib import AsyncExitStack
from dataclasses import replace
from decimal import Decimal

import pytest
from redis.asyncio import Redis
from tests.router.budgets.routers import call, catalog, passes, router, spent, took

from weft.common.v1 import budget_pb2, chat_pb2
from weft_kit.spending import SpendingAccount
from weft_router.budgets.claims import BudgetLimit, BudgetRefusal, Claim, Granted


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
