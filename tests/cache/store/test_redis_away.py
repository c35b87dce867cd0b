"""Redis dies, hangs, or comes back empty: lookups miss soon, and recover."""

import asyncio
import os
import signal
import time
from contextlib import contextmanager

import grpc.aio
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from redis.asyncio import Redis
from tests.support.waiting import until

from weft.cache.v1 import cache_pb2 as pb
from weft.job.v1 import job_pb2
from weft_cache.partition import address
from weft_cache.records import Stored
from weft_cache.store.encryption import Encryption
from weft_cache.store.redis_answers import RedisAnswers, key_of
from weft_cache.store.redis_client import StoreDown, guarded, patiently
from weft_cache.store.redis_store import RedisStore
from weft_compose.servers import ValkeyServer
from weft_compose.servers import serving as started
from weft_kit.rpc.context import CallContext, bound

FRANCE, FRANCE_AGAIN = "What is the capital of France?", "Please, what is the capital of France?"  # 0.98 alike
AGAIN_S = 20.0
"""Redis is asked again only after a rest, and it indexes in the background."""
LIMITS = {"redis_limit_s": 1.0, "rest_s": 0.2}


@pytest.fixture
def valkey(tmp_path):
    """A Redis of this test's own, to be mistreated."""
    with started(lambda port: ValkeyServer(tmp_path / "valkey", port)) as server:
        yield server


@pytest.fixture
async def client(serving, valkey, inference_target):
    async with serving(redis_url=valkey.url, inference_target=inference_target, **LIMITS) as client:
        yield client


@contextmanager
def hanging(valkey):
    """Redis accepts connections and says nothing."""
    os.kill(valkey.child.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(valkey.child.pid, signal.SIGCONT)


def hurried():
    """The context of a caller with next to no time left."""
    return bound(CallContext(deadline=asyncio.get_running_loop().time() + 0.05))


async def test_a_dead_redis_is_a_miss_and_a_restarted_one_is_used_again(client, valkey, generation, finished):
    assert await client.store(generation(FRANCE), finished())
    valkey.stop()
    for _ in range(5):
        assert (await client.lookup(generation(FRANCE))).reason == pb.Missed.REASON_STORE_DOWN
        assert not await client.store(generation(FRANCE), finished())
    valkey.start()
    valkey.wait_ready()
    await until("a new answer is stored", lambda: client.store(generation(FRANCE), finished("new")), AGAIN_S)
    assert (await client.lookup(generation(FRANCE))).answer.text == "new"
    await until("the new answer is found", lambda: _finds(client, generation(FRANCE_AGAIN), "new"), AGAIN_S)


async def _finds(client, request, text):
    found = await client.lookup(request)
    return isinstance(found, pb.Found) and found.answer.text == text


async def test_a_hanging_redis_costs_a_few_callers_their_patience_and_the_rest_nothing(
    serving, valkey, inference_target, generation, finished
):
    limits = {"redis_limit_s": 0.2, "rest_s": 60.0}
    async with serving(redis_url=valkey.url, inference_target=inference_target, **limits) as client:
        request = generation("Where?", cache=job_pb2.CachePolicy(mode=job_pb2.CACHE_MODE_EXACT))
        with hanging(valkey):
            waits = [await _wait_for_miss(client, request) for _ in range(20)]
    assert sum(wait > 0.19 for wait in waits) == 3
    assert max(waits) < 1


async def _wait_for_miss(client, request):
    began = time.monotonic()
    assert (await client.lookup(request)).reason == pb.Missed.REASON_STORE_DOWN
    return time.monotonic() - began


async def test_callers_without_time_do_not_shut_redis_to_others(valkey):
    async with guarded(valkey.url, limit_s=5, rest_s=60, connections=4) as guard:
        with hanging(valkey):
            for _ in range(4):
                with hurried(), pytest.raises(StoreDown):
                    await guard.command("PING")
        assert await guard.command("PING")


async def test_exchanges_that_are_late_while_others_are_answered_shut_redis_to_nobody(valkey):
    async with guarded(valkey.url, limit_s=1.0, rest_s=60, connections=8) as guard:
        began = time.monotonic()
        late = [asyncio.create_task(guard.command("BLPOP", f"nothing-comes-{number}", 5)) for number in range(4)]
        while time.monotonic() - began < 0.8:
            assert await guard.command("PING")
        for one in late:
            with pytest.raises(StoreDown):
                await one
        assert await guard.command("PING")


async def test_whoever_waits_for_just_this_answer_asks_a_redis_that_is_left_alone(valkey):
    async with guarded(valkey.url, limit_s=0.05, rest_s=60, connections=4) as guard:
        with hanging(valkey):
            for _ in range(3):
                with pytest.raises(StoreDown):
                    await guard.command("PING")
        with pytest.raises(StoreDown):
            await guard.command("PING")
        with patiently():
            assert await guard.command("PING")


async def test_a_reader_that_gave_up_leaves_its_reply_to_nobody(valkey, tenant, generation, finished):
    mine, yours = (address(tenant, generation(text), 0) for text in ("mine", "yours"))
    async with guarded(valkey.url, limit_s=5, rest_s=60, connections=1) as guard:
        answers = RedisAnswers(guard, RedisStore(guard, 1024**3, longest_s=3600), Encryption())
        for where, text in ((mine, "mine"), (yours, "yours")):
            await answers.write(where, Stored(finished(text), 1), 60, None)
        with hanging(valkey), hurried(), pytest.raises(StoreDown):
            await answers.read(key_of(mine))
        assert (await answers.read(key_of(yours))).answer.text == "yours"


async def test_a_full_redis_keeps_nothing_more_and_still_answers(client, valkey, generation, finished):
    exact = job_pb2.CachePolicy(mode=job_pb2.CACHE_MODE_EXACT)
    kept, more = generation(FRANCE, cache=exact), generation(FRANCE_AGAIN, cache=exact)
    await client.store(kept, finished())
    async with Redis.from_url(valkey.url) as redis:
        await redis.config_set("maxmemory-policy", "noeviction")
        await redis.config_set("maxmemory", "1")
    assert not await client.store(more, finished())
    assert (await client.lookup(kept)).answer == finished()


async def test_a_flushed_redis_is_filled_again(client, valkey, generation, finished):
    await client.store(generation(FRANCE), finished())
    await until("the answer is found", lambda: _finds(client, generation(FRANCE_AGAIN), "Paris."), AGAIN_S)
    async with Redis.from_url(valkey.url) as redis:
        await redis.flushall()
    assert (await client.lookup(generation(FRANCE_AGAIN))).reason == pb.Missed.REASON_NOT_STORED
    await client.store(generation(FRANCE), finished("again"))
    assert (await client.lookup(generation(FRANCE_AGAIN))).answer.text == "again"


async def test_health_says_whether_redis_answers(client, valkey):
    async with grpc.aio.insecure_channel(client.address) as channel:
        health = health_pb2_grpc.HealthStub(channel)
        statuses = aiter(health.Watch(health_pb2.HealthCheckRequest(service="weft.cache.v1.CacheService")))
        async with asyncio.timeout(30):
            assert (await anext(statuses)).status == health_pb2.HealthCheckResponse.SERVING
            with hanging(valkey):
                assert (await anext(statuses)).status == health_pb2.HealthCheckResponse.NOT_SERVING
            assert (await anext(statuses)).status == health_pb2.HealthCheckResponse.SERVING
