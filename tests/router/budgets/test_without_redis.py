"""A router whose Redis is away, or answers late, goes by its fallback and books nothing twice."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import pytest
from redis.asyncio import Redis
from tests.router.budgets.routers import call, catalog, passes, refusal, router, spent, took

from weft.common.v1 import error_pb2
from weft_kit.spending import SpendingAccount, day_of
from weft_router.budgets.budgets import Fallback
from weft_router.budgets.claims import BudgetLimit, BudgetRefusal, Claim, Grant, Holder
from weft_router.budgets.local_ledger import LocalLedger

NOWHERE = "redis://127.0.0.1:1"


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
