"""What is known to be spent is refused at submission, and everybody can see what is left."""

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from redis.asyncio import Redis

from weft.common.v1 import budget_pb2, error_pb2
from weft.gateway.v1 import gateway_pb2 as pb
from weft.gateway.v1 import gateway_pb2_grpc as rpc
from weft.job.v1 import job_pb2
from weft_gateway.config import Config
from weft_gateway.server import gateway
from weft_gateway.submission.budgets import BudgetStanding
from weft_kit.joblog import JobLog
from weft_kit.rpc.server import Server
from weft_kit.spending import SpendingAccount, Spent, day_of

Ask = Callable[..., job_pb2.GenerationRequest]
Refused = Callable[[Awaitable[Any]], Awaitable[Any]]
Spend = Callable[..., Awaitable[None]]

SHORT = Duration(seconds=1)
LONG = Duration(seconds=600)
BUDGET = budget_pb2.Budget(tokens_per_minute=100, micros_per_day=5_000_000)


@pytest.fixture
def budgeted(config: Config) -> Config:
    """Settings of a gateway whose tenants may spend 100 tokens a minute and 5 units a day."""
    catalog = Path(config.catalog_file)
    prices = "[prices]\nas_of = 2026-01-01\ncurrency = 'EUR'\nper_million.local.a = { input = 1, output = 1 }\n"
    budget = "[default_budget]\ntokens_per_minute = 100\nmoney_per_day = 5.0\n"
    models = catalog.read_text().replace('{ provider = "local" }', '{ provider = "local", model = "a" }', 1)
    catalog.write_text(f"{models}\n{prices}{budget}")
    return config


@pytest.fixture
async def server(budgeted: Config) -> AsyncIterator[Server]:
    async with gateway(budgeted, ("serve",)) as server:
        assert server is not None
        yield server


@pytest.fixture
async def spend(redis_url: str) -> AsyncIterator[Spend]:
    """Does what a router does with a call that was settled."""
    async with Redis.from_url(redis_url) as redis:

        async def spend(account: SpendingAccount, tokens: int = 0, micros: int = 0, held: int = 0) -> None:
            now_s = int(time.time())
            await redis.hincrby(account.tokens, str(now_s), tokens)
            today = account.day(day_of(now_s))
            await redis.hincrby(today, "spent", micros)
            await redis.hincrby(today, "held", held)

        yield spend


async def key(server: Server, tenant: str, **budget: int) -> pb.CreateKeyResponse:
    async with grpc.aio.insecure_channel(server.address) as channel:
        question = pb.CreateKeyRequest(tenant=tenant, name="test", budget=budget_pb2.Budget(**budget))
        operator = (("authorization", "Bearer operator-token"),)
        return await rpc.KeyServiceStub(channel).CreateKey(question, metadata=operator)


async def test_spent_money_is_refused_until_midnight(caller: Any, ask: Ask, spend: Spend, refused: Refused) -> None:
    await spend(SpendingAccount(caller.key.tenant), micros=5_000_000)
    error = await refused(caller.submit(ask(timeout=SHORT)))
    assert error.status is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert error.reason == error_pb2.ERROR_REASON_QUOTA_EXCEEDED
    numbers = {"budget": "micros_per_day", "account": "tenant", "limit": "5000000", "spent": "5000000"}
    assert error.metadata == numbers
    assert abs(error.retry_after_s - (86_400 - time.time() % 86_400)) < 5


async def test_a_model_that_costs_nothing_needs_no_money(caller: Any, ask: Ask, spend: Spend) -> None:
    await spend(SpendingAccount(caller.key.tenant), micros=5_000_000)
    job = await caller.submit(ask(model="large", timeout=SHORT))
    assert job.state == job_pb2.JOB_STATE_QUEUED


async def test_spent_tokens_are_waited_for_in_the_queue_by_jobs_that_live_to_see_more(
    caller: Any, ask: Ask, spend: Spend, refused: Refused
) -> None:
    await spend(SpendingAccount(caller.key.tenant), tokens=100)
    error = await refused(caller.submit(ask(timeout=Duration(seconds=10))))
    assert error.metadata["budget"] == "tokens_per_minute"
    assert 55 <= error.retry_after_s <= 61
    assert (await caller.submit(ask(timeout=LONG))).state == job_pb2.JOB_STATE_QUEUED


async def test_what_is_only_held_keeps_nobody_out(caller: Any, ask: Ask, spend: Spend) -> None:
    await spend(SpendingAccount(caller.key.tenant), tokens=99, micros=1, held=5_000_000)
    assert (await caller.submit(ask(timeout=SHORT))).state == job_pb2.JOB_STATE_QUEUED


async def test_a_repeat_spends_nothing(
    budgeted: Config, server: Server, new_caller: Any, ask: Ask, spend: Spend, refused: Refused
) -> None:
    one = await new_caller(server)
    job = await one.submit(ask(timeout=SHORT), "order-1")
    await spend(SpendingAccount(one.key.tenant), micros=5_000_000)
    # Another replica has not looked yet.
    async with gateway(budgeted, ("serve",)) as other:
        two = await new_caller(other, tenant=one.key.tenant)
        assert (await refused(two.submit(ask(timeout=SHORT)))).reason == error_pb2.ERROR_REASON_QUOTA_EXCEEDED
        assert await two.submit(ask(timeout=SHORT), "order-1") == job


async def test_a_key_has_a_budget_of_its_own_that_travels_with_its_jobs(
    server: Server, new_caller: Any, ask: Ask, spend: Spend, refused: Refused, log: JobLog
) -> None:
    tenant = f"tenant-{uuid4().hex[:8]}"
    made = await key(server, tenant, tokens_per_minute=50)
    assert made.key.budget == budget_pb2.Budget(tokens_per_minute=50)
    caller = await new_caller(server, tenant=tenant)
    caller.auth = (("authorization", f"Bearer {made.secret}"),)
    await spend(SpendingAccount(tenant, made.key.key_id), tokens=50)
    assert (await refused(caller.submit(ask(timeout=SHORT)))).metadata["account"] == "key"
    job = await caller.submit(ask(timeout=LONG))
    (accepted,) = await log.events(job.job_id)
    assert accepted.accepted.key_budget == made.key.budget
    other = await new_caller(server, tenant=tenant)
    assert (await other.submit(ask(timeout=SHORT))).state == job_pb2.JOB_STATE_QUEUED


async def test_a_budget_below_nothing_is_refused(server: Server, refused: Refused) -> None:
    error = await refused(key(server, "acme", micros_per_day=-1))
    assert error.violations == {"budget.micros_per_day": "must be 0 (no limit) to 1000000000000000, is -1"}


async def test_a_tenant_sees_what_it_spent_and_may(caller: Any, spend: Spend) -> None:
    await spend(SpendingAccount(caller.key.tenant), tokens=30, micros=2_000, held=500)
    await spend(SpendingAccount(caller.key.tenant, caller.key.key_id), tokens=10, micros=700)
    seen = await caller.jobs.GetUsage(pb.GetUsageRequest(), metadata=caller.auth)
    assert seen.tenant == pb.Spending(tokens_last_minute=30, micros_today=2_000, micros_held=500, budget=BUDGET)
    assert seen.key == pb.Spending(tokens_last_minute=10, micros_today=700, budget=budget_pb2.Budget())
    assert seen.currency == "EUR"
    assert 0 < seen.day_end.seconds - time.time() <= 86_400


@pytest.mark.parametrize("fallback", ["open", "closed"])
async def test_without_redis_the_fallback_decides(
    budgeted: Config, redis_proxy: Any, new_caller: Any, ask: Ask, refused: Refused, fallback: str
) -> None:
    proxy, url = redis_proxy
    settings = budgeted.model_copy(update={"redis_url": url, "budget_fallback": fallback})
    async with gateway(settings, ("serve",)) as server:
        caller = await new_caller(server)
        await proxy.cut()
        if fallback == "open":
            assert (await caller.submit(ask())).state == job_pb2.JOB_STATE_QUEUED
        else:
            error = await refused(caller.submit(ask()))
            assert error.metadata == {"dependency": "redis"}
        error = await refused(caller.jobs.GetUsage(pb.GetUsageRequest(), metadata=caller.auth))
        assert error.status is grpc.StatusCode.UNAVAILABLE
        assert error.message.startswith("redis cannot be reached")


async def test_usage_is_told_by_a_redis_that_is_slow_while_jobs_do_without_it(
    budgeted: Config, redis_proxy: Any, new_caller: Any, ask: Ask
) -> None:
    proxy, url = redis_proxy
    settings = budgeted.model_copy(update={"redis_url": url, "redis_limit_s": 0.02, "read_limit_s": 30.0})
    async with gateway(settings, ("serve",)) as server:
        caller = await new_caller(server)
        proxy.lag_s = 0.1
        for _ in range(4):
            assert (await caller.submit(ask())).state == job_pb2.JOB_STATE_QUEUED
            seen = await caller.jobs.GetUsage(pb.GetUsageRequest(), metadata=caller.auth)
            assert seen.tenant.budget == BUDGET


async def test_a_redis_that_is_late_is_told_from_one_that_is_away(
    budgeted: Config, redis_proxy: Any, new_caller: Any, refused: Refused
) -> None:
    proxy, url = redis_proxy
    async with gateway(budgeted.model_copy(update={"redis_url": url, "read_limit_s": 1.0}), ("serve",)) as server:
        caller = await new_caller(server)
        proxy.lag_s = 60
        error = await refused(caller.jobs.GetUsage(pb.GetUsageRequest(), metadata=caller.auth))
    assert error.message.startswith("redis did not answer within 1 s")
    assert error.metadata == {"dependency": "redis"}


def standing(tokens: int, micros: int) -> BudgetStanding:
    """At 40 s past midnight, with tokens spent 10 s ago."""
    now_s = 86_400 + 40
    return BudgetStanding(SpendingAccount("acme"), BUDGET, Spent(now_s, {now_s - 10: tokens}, micros, 0))


@pytest.mark.parametrize(
    ("tokens", "micros", "left_s", "wait_s"),
    [
        (99, 4_999_999, 1, None),
        (100, 0, 50, 51),
        (100, 0, 52, None),
        (0, 5_000_000, 600, 86_360),
        (0, 5_000_000, 86_400, None),
        (100, 5_000_000, 1, 86_360),
    ],
)
def test_a_job_is_refused_when_it_would_not_live_to_see_room(
    tokens: int, micros: int, left_s: float, wait_s: int | None
) -> None:
    refusal = standing(tokens, micros).refusal(left_s)
    assert (refusal.retry_after_s if refusal else None) == wait_s
