"""How fast callers may come: shared in Redis, local without it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from typing import Any
from uuid import uuid4

import grpc.aio
import pytest
from prometheus_client import REGISTRY
from redis.asyncio import Redis

from weft.common.v1 import error_pb2
from weft.gateway.v1 import gateway_pb2 as pb
from weft.gateway.v1 import gateway_pb2_grpc as rpc
from weft_gateway.auth.gcra import Rate, RateLimit
from weft_gateway.auth.local_limiter import LocalLimiter
from weft_gateway.auth.redis_limiter import RedisLimiter
from weft_gateway.config import Config
from weft_gateway.server import gateway
from weft_kit.rpc.errors import Exhausted
from weft_kit.rpc.server import Server

Refused = Callable[[Awaitable[Any]], Awaitable[Any]]


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    async with Redis.from_url(redis_url) as client:
        yield client


def limit(calls_per_minute: int, burst_s: float) -> RateLimit:
    return RateLimit("key", uuid4().hex, Rate.per_minute(calls_per_minute, burst_s))


async def admitted(limiter: RedisLimiter, *limits: RateLimit) -> bool:
    try:
        await limiter.admit(limits)
    except Exhausted:
        return False
    return True


def by_redis() -> float:
    """Calls that Redis decided on, in this process."""
    return REGISTRY.get_sample_value("weft_gateway_rate_decisions_total", {"by": "redis", "outcome": "admitted"}) or 0.0


async def test_replicas_share_one_limit_and_admit_exactly_its_burst(redis: Redis) -> None:
    shared = limit(60, burst_s=10)
    replicas = [RedisLimiter(redis, limit_s=5) for _ in range(3)]
    passed = await asyncio.gather(*(admitted(replica, shared) for replica in replicas for _ in range(20)))
    assert sum(passed) == 10


async def test_many_calls_at_once_are_decided_in_few_round_trips(redis: Redis) -> None:
    limiter = RedisLimiter(redis, limit_s=5)
    before = (await redis.info("commandstats")).get("cmdstat_evalsha", {"calls": 0})["calls"]
    limits = [limit(60, burst_s=1) for _ in range(300)]
    assert all(await asyncio.gather(*(admitted(limiter, each) for each in limits)))
    after = (await redis.info("commandstats"))["cmdstat_evalsha"]["calls"]
    assert after - before <= 5


async def test_a_call_counts_under_all_of_its_limits_or_none(redis: Redis) -> None:
    limiter = RedisLimiter(redis, limit_s=5)
    narrow, wide = limit(60, burst_s=1), limit(60, burst_s=2)
    assert await admitted(limiter, narrow, wide)
    assert not await admitted(limiter, narrow, wide)
    assert await admitted(limiter, wide)
    assert not await admitted(limiter, wide)


async def test_a_caller_who_waits_as_told_passes(redis: Redis) -> None:
    limiter, fast = RedisLimiter(redis, limit_s=5), limit(6000, burst_s=0.01)
    await limiter.admit([fast])
    with pytest.raises(Exhausted) as raised:
        for _ in range(100):
            await limiter.admit([fast])
    assert raised.value.retry_after_s is not None
    assert 0 < raised.value.retry_after_s <= 0.01
    await asyncio.sleep(raised.value.retry_after_s)
    assert await admitted(limiter, fast)


async def test_a_raised_rate_forgives_what_the_old_one_owed(redis: Redis) -> None:
    limiter, slow = RedisLimiter(redis, limit_s=5), limit(1, burst_s=1)
    fast = RateLimit(slow.kind, slow.name, Rate.per_minute(60_000, burst_s=1))
    assert await admitted(limiter, slow)
    assert not await admitted(limiter, slow)
    assert await admitted(limiter, fast)


async def test_limits_leave_nothing_behind(redis: Redis) -> None:
    limiter, short = RedisLimiter(redis, limit_s=5), limit(6000, burst_s=1)
    await limiter.admit([short])
    assert 0 < await redis.pttl(f"weft:rate:{short.id}") <= 10


async def test_too_many_calls_are_told_how_long_to_wait(server: Server, new_caller: Any, refused: Refused) -> None:
    # One call a minute, so one at once.
    caller = await new_caller(server, calls_per_minute=1)
    await caller.list()
    error = await refused(caller.list())
    assert error.status is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert error.reason == error_pb2.ERROR_REASON_RATE_LIMITED
    assert error.metadata == {"limit": "key"}
    assert 55 < error.retry_after_s <= 60
    call = caller.jobs.ListJobs(pb.ListJobsRequest(), metadata=caller.auth)
    pushback = dict(await call.trailing_metadata())["grpc-retry-pushback-ms"]
    assert 55_000 < int(pushback) <= 60_000


async def test_an_address_that_guesses_keys_is_slowed_down(config: Config, refused: Refused) -> None:
    slow = config.model_copy(update={"address_calls_per_minute": 1})
    async with gateway(slow, ("serve",)) as server, grpc.aio.insecure_channel(server.address) as channel:
        jobs = rpc.GatewayServiceStub(channel)
        errors = [
            await refused(
                jobs.ListJobs(pb.ListJobsRequest(), metadata=(("authorization", f"Bearer wk_{i:016x}_{'x' * 43}"),))
            )
            for i in range(3)
        ]
    assert errors[-1].reason == error_pb2.ERROR_REASON_RATE_LIMITED
    assert errors[-1].metadata == {"limit": "address"}


async def test_without_redis_the_limit_is_kept_locally_and_costs_no_wait(
    config: Config, redis_proxy: Any, new_caller: Any, refused: Refused
) -> None:
    proxy, url = redis_proxy
    async with gateway(config.model_copy(update={"redis_url": url})) as server:
        caller = await new_caller(server, calls_per_minute=6)
        await caller.list()
        await proxy.cut()
        await caller.list()
        error = await refused(caller.list())
        assert error.reason == error_pb2.ERROR_REASON_RATE_LIMITED
        assert 5 < error.retry_after_s <= 10


async def test_one_late_answer_does_not_make_the_limit_local(redis_proxy: Any) -> None:
    proxy, url = redis_proxy
    async with Redis.from_url(url) as client:
        limiter, asked = RedisLimiter(client, limit_s=1, rest_s=60), limit(6000, burst_s=10)
        assert await admitted(limiter, asked)
        proxy.lag_s = 60
        assert await admitted(limiter, asked)
        proxy.lag_s = 0
        before = by_redis()
        assert await admitted(limiter, asked)
        assert by_redis() == before + 1


async def test_limits_are_shared_again_once_redis_is_back(redis_proxy: Any) -> None:
    proxy, url = redis_proxy
    shared = limit(60, burst_s=2)
    async with Redis.from_url(url) as client:
        limiter = RedisLimiter(client, limit_s=5, rest_s=0)
        assert await admitted(limiter, shared)
        await proxy.cut()
        assert await admitted(limiter, shared)
        await proxy.mend()
        assert await admitted(limiter, shared)
        assert not await admitted(limiter, shared)


async def test_without_redis_no_call_passes_uncounted_where_that_is_set(
    config: Config, redis_proxy: Any, new_caller: Any, refused: Refused
) -> None:
    proxy, url = redis_proxy
    closed = config.model_copy(update={"redis_url": url, "rate_fallback": "closed"})
    async with gateway(closed, ("serve",)) as server:
        caller = await new_caller(server)
        await caller.list()
        await proxy.cut()
        for _ in range(2):
            error = await refused(caller.list())
            assert error.status is grpc.StatusCode.UNAVAILABLE
            assert error.reason == error_pb2.ERROR_REASON_DEPENDENCY_DOWN
            assert error.metadata == {"dependency": "redis"}
            assert error.retry_after_s == 1.0


@pytest.mark.parametrize("where", ["redis", "local"])
async def test_many_calls_at_once_pass_together_or_not_at_all(redis: Redis, where: str) -> None:
    one = limit(60, burst_s=10)
    local, limiter = LocalLimiter(), RedisLimiter(redis, limit_s=5)

    async def passes(calls: int) -> bool:
        asked = replace(one, calls=calls)
        return await admitted(limiter, asked) if where == "redis" else local.admit([asked], 0) is None

    assert not await passes(11)
    assert await passes(7)
    assert not await passes(4)
    assert await passes(3)
    assert not await passes(1)
