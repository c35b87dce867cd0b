"""Identical requests in two routers: still one call, and the loss of either router is nobody's loss."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from functools import partial

import grpc
import pytest
from redis.asyncio import Redis
from tests.router.harness import NOWHERE, Harness
from tests.router.services import ENGINE_CATALOG, Engine
from tests.router.single_flight.identical_requests import ENDLESS, SOON_S, alike, board, flights, joined, spent
from tests.support.transcript import text_of

from weft.common.v1 import error_pb2
from weft.job.v1 import event_pb2, job_pb2
from weft.router.v1 import flight_pb2, flight_pb2_grpc
from weft_kit.rpc.channel import Channel
from weft_kit.rpc.context import CallContext, bound
from weft_kit.rpc.errors import WeftError
from weft_kit.rpc.server import Server
from weft_mock import MockProvider, Script
from weft_router.single_flight.joining import flight_of

LONG = Script(tokens=100, tokens_per_second=50)
Routing = Callable[[], AbstractAsyncContextManager[Server]]


@pytest.fixture
def routing(harness: Harness, redis_url: str) -> Routing:
    return partial(harness.routing, redis_url=redis_url)


@pytest.fixture
async def two(routing: Routing) -> AsyncIterator[list[Server]]:
    async with routing() as one, routing() as other:
        yield [one, other]


async def run_where(harness: Harness, tenant: str, role: str) -> str:
    """A job that found its call in this role, and its text so far: which router gets a job is up to the log."""
    while True:
        before = flights(role)
        job_id = await board(harness, tenant)
        if flights(role) > before:
            return job_id
        await harness.log.request_cancel(job_id, "")
        await harness.done(job_id)


async def shared_call(harness: Harness, tenant: str) -> tuple[str, str]:
    """Returns two jobs of one call, in two routers: the one that leads it, and one that joined it elsewhere."""
    return await board(harness, tenant), await run_where(harness, tenant, "joins_elsewhere")


@pytest.mark.usefixtures("two")
async def test_identical_requests_in_two_routers_are_one_call(
    harness: Harness, mock: MockProvider, tenant: str
) -> None:
    mock.play(LONG)
    leader, elsewhere = await shared_call(harness, tenant)
    endings = [await harness.events(job_id) for job_id in (leader, elsewhere)]

    first, second = (events[-1].done for events in endings)
    assert mock.stats.requests == 1
    assert text_of(endings[0]) == text_of(endings[1]) == first.answer.text == second.answer.text
    assert (joined(first), joined(second)) == ([""], [leader])
    assert spent([first, second]) == [0, 100]


@pytest.mark.usefixtures("two")
async def test_a_call_goes_on_for_those_elsewhere_when_its_leader_is_cancelled(
    harness: Harness, mock: MockProvider, tenant: str
) -> None:
    mock.play(LONG)
    leader, elsewhere = await shared_call(harness, tenant)
    await harness.log.request_cancel(leader, "")
    async with asyncio.timeout(SOON_S):
        cancelled = await harness.done(leader)
    events = await harness.events(elsewhere)

    done = events[-1].done
    assert cancelled.state == job_pb2.JOB_STATE_CANCELLED
    assert (done.state, len(text_of(events).split())) == (job_pb2.JOB_STATE_SUCCEEDED, 100)
    assert (mock.stats.requests, mock.stats.aborted) == (1, 0)
    assert spent([cancelled, done]) == [0, 100]


@pytest.mark.usefixtures("two")
async def test_the_last_who_leaves_elsewhere_stops_the_call_within_250_ms(
    harness: Harness, mock: MockProvider, tenant: str
) -> None:
    mock.play(ENDLESS)
    leader, elsewhere = await shared_call(harness, tenant)
    await harness.log.request_cancel(leader, "")
    await harness.done(leader)
    assert mock.stats.aborted == 0
    asked_at = asyncio.get_running_loop().time()
    await harness.log.request_cancel(elsewhere, "")
    abort = await asyncio.wait_for(mock.next_abort(), 20)
    await harness.done(elsewhere)

    assert abort.at - asked_at < SOON_S
    assert mock.stats.requests == 1


async def test_a_router_that_shuts_down_hands_its_call_on(
    harness: Harness, mock: MockProvider, tenant: str, routing: Routing
) -> None:
    mock.play(Script(tokens=40, tokens_per_second=40))
    async with AsyncExitStack() as first:
        await first.enter_async_context(routing())
        leader = await board(harness, tenant)
        async with routing():
            elsewhere = await run_where(harness, tenant, "joins_elsewhere")
            await first.aclose()
            endings = [await harness.events(job_id) for job_id in (leader, elsewhere)]

    for events in endings:
        done = events[-1].done
        assert done.state == job_pb2.JOB_STATE_SUCCEEDED
        assert text_of(events) == done.answer.text
        assert done.attempts[0].error.reason == error_pb2.ERROR_REASON_DRAINING
        assert any(event.HasField("rewound") for event in events) or len(done.attempts) > 1
    assert mock.stats.requests == 2


async def test_who_takes_a_call_over_goes_on_from_the_text_where_the_engine_can(
    harness: Harness, tenant: str, routing: Routing
) -> None:
    engine = Engine("One ", "two ")
    engine.hangs = True
    async with engine.running() as target, AsyncExitStack() as first:
        harness.catalog(ENGINE_CATALOG.format(target=target))
        await first.enter_async_context(routing())
        leader = await board(harness, tenant)
        async with routing():
            elsewhere = await run_where(harness, tenant, "joins_elsewhere")
            engine.words, engine.hangs = ("One ", "two ", "three."), False
            await first.aclose()
            endings = [await harness.events(job_id) for job_id in (leader, elsewhere)]

    for events in endings:
        assert text_of(events) == events[-1].done.answer.text == "One two three."
        assert not any(event.HasField("rewound") for event in events)
    assert [request.prefix for request in engine.requests[:2]] == ["", "One two "]


async def test_a_host_that_is_gone_is_not_waited_for(
    harness: Harness, mock: MockProvider, tenant: str, redis_url: str, routing: Routing
) -> None:
    key = f"weft:flight:{flight_of(tenant, alike(), 0)}"
    async with Redis.from_url(redis_url) as redis, routing():
        await redis.set(key, NOWHERE, ex=60)
        async with asyncio.timeout(20):
            done = await harness.done(await harness.submit(alike(), tenant=tenant))
        async with asyncio.timeout(20):
            while await redis.exists(key):  # noqa: ASYNC110
                await asyncio.sleep(0.005)

    assert (done.state, joined(done)) == (job_pb2.JOB_STATE_SUCCEEDED, [""])
    assert mock.stats.requests == 1


async def test_without_redis_each_router_makes_its_own_call(harness: Harness, mock: MockProvider, tenant: str) -> None:
    mock.play(LONG)
    async with harness.routing(), harness.routing():
        one = await board(harness, tenant)
        other = await run_where(harness, tenant, "leads")
        dones = [await harness.done(job_id) for job_id in (one, other)]

    assert mock.stats.requests == 2
    assert [joined(done) for done in dones] == [[""], [""]]


async def test_no_tenant_listens_to_anothers_call(
    harness: Harness, mock: MockProvider, tenant: str, two: list[Server]
) -> None:
    mock.play(ENDLESS)
    await board(harness, tenant)
    asked = flight_pb2.FollowFlightRequest(flight=flight_of(tenant, alike(), 0))
    heard: list[event_pb2.JobEvent] = []
    for server in two:
        async with Channel(server.address, "router") as channel:
            stub = flight_pb2_grpc.FlightServiceStub(channel.raw)
            with bound(CallContext(tenant="rival")), pytest.raises(WeftError) as refused:
                async with channel.streaming(stub.FollowFlight(asked, **channel.call(2))) as responses:
                    heard += [response.event async for response in responses]
        assert refused.value.status is grpc.StatusCode.NOT_FOUND
    assert not heard
