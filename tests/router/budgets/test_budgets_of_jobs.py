"""What budgets do to jobs: they wait in the queue, fail with the numbers, and have what they cost on record."""

import asyncio
import time
from typing import Any

import pytest
from redis.asyncio import Redis
from tests.router.harness import Harness, asking

from weft.common.v1 import budget_pb2, chat_pb2, error_pb2
from weft.job.v1 import job_pb2
from weft.router.v1 import router_pb2 as pb
from weft.router.v1 import router_pb2_grpc as rpc
from weft_kit.rpc.channel import Channel
from weft_kit.rpc.context import CallContext, bound
from weft_kit.rpc.server import Server
from weft_kit.spending import SpendingAccount, Spent, day_of, read_spent
from weft_mock import Fault, MockProvider, Script

PRICES = """
[prices]
as_of = 2026-01-01

[prices.per_million.mock]
mock = { input = 1, output = 2 }
"""


@pytest.fixture
def priced(harness: Harness, tenant: str) -> Harness:
    """Its catalog gives the tenant 1,000 tokens a minute and a unit a day, and others all they want."""
    budget = f"[budgets.{tenant}]\ntokens_per_minute = 1_000\nmoney_per_day = 1\n"
    harness.catalog(harness.read_catalog() + PRICES + budget)
    return harness


def brief(tokens: int = 20) -> job_pb2.GenerationRequest:
    return asking(sampling=chat_pb2.SamplingParams(max_tokens=tokens))


async def spent(redis: Redis, tenant: str) -> Spent:
    return (await read_spent(redis, [SpendingAccount(tenant)], int(time.time())))[0]


async def spend(redis: Redis, tenant: str, **amounts: int) -> None:
    """Changes what the account has spent and held today."""
    today = SpendingAccount(tenant).day(day_of(time.time()))
    for name, amount in amounts.items():
        await redis.hincrby(today, name, amount)


async def providers(server: Server, tenant: str) -> list[pb.Provider]:
    with bound(CallContext(tenant=tenant)):
        async with Channel(server.address, "router") as channel:
            stub: Any = rpc.RouterServiceStub(channel.raw)
            answer = await channel.unary(stub.ListProviders(pb.ListProvidersRequest(), **channel.call(5)))
    return list(answer.providers)


async def test_what_a_job_cost_is_on_record_and_in_the_accounts(
    priced: Harness, mock: MockProvider, redis: Redis, redis_url: str, tenant: str
) -> None:
    mock.play(Script(tokens=3, finish_reason="", fault=Fault.NO_DONE), Script(tokens=5))
    async with priced.routing(redis_url=redis_url) as server:
        done = await priced.done(await priced.submit(brief(), tenant=tenant))
        usages = [attempt.usage for attempt in done.attempts]
        costs = [usage.prompt_tokens + 2 * usage.completion_tokens for usage in usages]
        async with asyncio.timeout(20):
            while (await spent(redis, tenant)).micros_today < sum(costs):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        (provider,) = await providers(server, tenant)
        (unknown,) = await providers(server, f"{tenant}-2")
    assert [usage.completion_tokens for usage in usages] == [3, 5]
    assert [attempt.cost for attempt in done.attempts] == [budget_pb2.Cost(micros=c, currency="USD") for c in costs]
    total = budget_pb2.Cost(micros=sum(costs), currency="USD")
    assert done.total_cost == provider.cost_today == total
    assert unknown.cost_today.micros == 0
    account = await spent(redis, tenant)
    assert (account.micros_today, account.micros_held) == (sum(costs), 0)
    assert account.tokens_last_minute == done.total_usage.prompt_tokens + done.total_usage.completion_tokens


async def test_a_cancelled_job_pays_for_what_it_took_and_gives_back_the_rest(
    priced: Harness, mock: MockProvider, redis: Redis, redis_url: str, tenant: str
) -> None:
    mock.play(Script(tokens=2, fault=Fault.HANG))
    async with priced.routing(redis_url=redis_url):
        job_id = await priced.submit(brief(), tenant=tenant)
        await priced.first(job_id, "delta")
        assert (await spent(redis, tenant)).micros_held > 0
        await priced.log.request_cancel(job_id, "enough")
        done = await priced.done(job_id)
    assert done.state == job_pb2.JOB_STATE_CANCELLED
    account = await spent(redis, tenant)
    assert (account.micros_today, account.micros_held) == (done.total_cost.micros, 0)
    assert done.total_cost.micros > 0


async def test_a_job_that_waits_for_its_budget_leaves_its_slot_to_others(
    priced: Harness, redis: Redis, redis_url: str, tenant: str
) -> None:
    await spend(redis, tenant, held=999_999)
    async with priced.routing(redis_url=redis_url, slots=1):
        waiting = await priced.submit(brief(), tenant=tenant)
        assert (await priced.done(await priced.submit(brief()))).state == job_pb2.JOB_STATE_SUCCEEDED
        assert len(await priced.log.events(waiting)) == 1
        await spend(redis, tenant, held=-999_999)
        done = await priced.done(waiting)
    assert done.state == job_pb2.JOB_STATE_SUCCEEDED
    assert len(done.attempts) == 1


async def test_a_job_fails_that_would_not_live_to_see_room(
    priced: Harness, mock: MockProvider, redis: Redis, redis_url: str, tenant: str
) -> None:
    await spend(redis, tenant, spent=1_000_000)
    async with priced.routing(redis_url=redis_url):
        done = await priced.done(await priced.submit(brief(), tenant=tenant, lives_s=5))
    assert done.state == job_pb2.JOB_STATE_FAILED
    assert done.error.reason == error_pb2.ERROR_REASON_QUOTA_EXCEEDED
    assert f"tenant {tenant} may spend 1 USD a day (UTC): 1 are spent" in done.error.message
    assert done.error.retryable
    assert mock.stats.requests == 0


async def test_a_job_that_can_never_fit_fails_at_once(
    priced: Harness, mock: MockProvider, redis_url: str, tenant: str
) -> None:
    async with priced.routing(redis_url=redis_url):
        done = await priced.done(await priced.submit(brief(1_001), tenant=tenant))
    assert done.error.reason == error_pb2.ERROR_REASON_QUOTA_EXCEEDED
    assert "more than the 1,000 tokens a minute" in done.error.message
    assert not done.error.retryable
    assert mock.stats.requests == 0


async def test_what_a_model_may_think_is_held_with_its_answer(priced: Harness, redis_url: str, tenant: str) -> None:
    thinker = """
[providers.thinker]
kind = "anthropic"
base_url = "http://127.0.0.1:1/v1"
extra_body = { thinking = { type = "enabled", budget_tokens = 1024 } }
[models.thinker]
routes = [{ provider = "thinker", model = "claude" }]
"""
    priced.with_settings(f'{thinker}[prices.per_million.thinker]\n"*" = {{ input = 1, output = 2 }}\n')
    request = asking(model="thinker", sampling=chat_pb2.SamplingParams(max_tokens=20))
    async with priced.routing(redis_url=redis_url):
        done = await priced.done(await priced.submit(request, tenant=tenant))
    assert done.error.reason == error_pb2.ERROR_REASON_QUOTA_EXCEEDED
    assert "more than the 1,000 tokens a minute" in done.error.message


async def test_those_that_lost_a_race_are_paid_for_too(
    priced: Harness, mock: MockProvider, redis: Redis, redis_url: str, tenant: str
) -> None:
    text = priced.read_catalog()
    routes = 'routes = [{ provider = "mock", model = "mock" }'
    second = '[providers.other]\nkind = "openai"\n' + text[text.index("base_url") : text.index("[models")]
    text = text.replace(routes, f'{routes}, {{ provider = "other", model = "mock" }}').replace(
        "[models", f"{second}[models"
    )
    text = text.replace("[models.default]", "[models.default]\nfirst_of = 2")
    priced.catalog(text + '[prices.per_million.other]\n"*" = { input = 1, output = 2 }\n')
    # Not before the other one is asked, too.
    mock.play(Script(tokens=4, first_token_s=0.2), Script(first_token_s=5))
    async with priced.routing(redis_url=redis_url):
        done = await priced.done(await priced.submit(brief(), tenant=tenant))
    assert {attempt.result for attempt in done.attempts} == {
        job_pb2.Attempt.RESULT_SUCCEEDED,
        job_pb2.Attempt.RESULT_LOST_RACE,
    }
    assert all(attempt.cost.micros > 0 for attempt in done.attempts)
    account = await spent(redis, tenant)
    assert (account.micros_today, account.micros_held) == (done.total_cost.micros, 0)


async def test_a_model_without_a_price_is_listed(priced: Harness, redis_url: str, tenant: str) -> None:
    priced.catalog(priced.read_catalog().replace("mock = { input", "another = { input"))
    async with priced.routing(redis_url=redis_url) as server:
        done = await priced.done(await priced.submit(brief(), tenant=tenant))
        (provider,) = await providers(server, tenant)
    assert not done.HasField("total_cost")
    assert provider.unpriced_models == ["mock"]
