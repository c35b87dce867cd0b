"""The boundary: identity, errors and deadlines on their way through one real socket."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc

from weft.cache.v1 import cache_pb2, cache_pb2_grpc
from weft.common.v1 import error_pb2
from weft.inference.v1 import inference_pb2, inference_pb2_grpc
from weft.job.v1 import event_pb2
from weft.router.v1 import router_pb2, router_pb2_grpc
from weft_kit import metrics
from weft_kit.rpc import context
from weft_kit.rpc.channel import Channel
from weft_kit.rpc.context import CallContext
from weft_kit.rpc.errors import (
    DeadlineExceeded,
    DependencyDown,
    Exhausted,
    InvalidFields,
    Unsupported,
    WeftError,
)
from weft_kit.rpc.interceptor import is_sent_away
from weft_kit.rpc.server import PortInUse, Server, Service


class Scripted(cache_pb2_grpc.CacheServiceServicer, inference_pb2_grpc.InferenceServiceServicer):
    """Answers with what the test says, and remembers who called."""

    def __init__(self) -> None:
        self.raises: Exception | None = None
        self.asks: Callable[[], Awaitable[cache_pb2.GetStatsResponse]] | None = None
        self.caller: CallContext | None = None
        self.left = asyncio.Event()
        self.was_sent_away = False
        self.floods = False
        self.finish = asyncio.Event()

    async def GetStats(self, request, rpc):
        self.caller = context.current()
        if self.raises:
            raise self.raises
        if self.asks:
            return await self.asks()
        return cache_pb2.GetStatsResponse(entries=7)

    async def Generate(self, request, rpc) -> AsyncIterator[inference_pb2.GenerateResponse]:
        try:
            yield inference_pb2.GenerateResponse(admitted=inference_pb2.Admitted(model="m"))
            if self.raises:
                raise self.raises
            while self.floods:
                yield inference_pb2.GenerateResponse(delta=event_pb2.Delta(text="x" * 100_000))
            await self.finish.wait()
            yield inference_pb2.GenerateResponse(finished=inference_pb2.Finished())
        finally:
            self.was_sent_away = is_sent_away()
            self.left.set()


@pytest.fixture
async def scripted() -> Scripted:
    return Scripted()


@pytest.fixture
async def silent() -> AsyncIterator[str]:
    """The address of a process that is frozen: the system still accepts connections for it, and nothing answers."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"127.0.0.1:{listening.getsockname()[1]}"


def serving(scripted: Scripted, grace_s: float = 5.0) -> Server:
    return Server(
        "127.0.0.1:0",
        [
            Service("weft.cache.v1.CacheService", cache_pb2_grpc.add_CacheServiceServicer_to_server, scripted),
            Service(
                "weft.inference.v1.InferenceService",
                inference_pb2_grpc.add_InferenceServiceServicer_to_server,
                scripted,
            ),
        ],
        grace_s=grace_s,
    )


@pytest.fixture
async def channel(scripted: Scripted) -> AsyncIterator[Channel]:
    async with serving(scripted, grace_s=0) as server, Channel(server.address, "scripted") as channel:
        yield channel


async def stats(channel: Channel, limit_s: float = 5.0) -> cache_pb2.GetStatsResponse:
    stub = cache_pb2_grpc.CacheServiceStub(channel.raw)
    return await channel.unary(stub.GetStats(cache_pb2.GetStatsRequest(), **channel.call(limit_s)))


async def test_identity_travels_with_the_call(scripted: Scripted, channel: Channel) -> None:
    with context.bound(CallContext(call_id="c1", tenant="acme", key_id="k", traceparent="00-a-b-01")):
        assert (await stats(channel)).entries == 7
    assert scripted.caller is not None
    assert (scripted.caller.tenant, scripted.caller.key_id) == ("acme", "k")
    assert (scripted.caller.call_id, scripted.caller.traceparent) == ("c1", "00-a-b-01")


async def test_a_callee_sees_no_more_time_than_its_caller_has_left(scripted: Scripted, channel: Channel) -> None:
    now = asyncio.get_running_loop().time()
    with context.bound(CallContext(deadline=now + 0.5)):
        await stats(channel, limit_s=60)
    assert scripted.caller is not None
    assert scripted.caller.deadline is not None
    assert scripted.caller.deadline - now < 0.6


async def test_no_call_leaves_once_the_time_is_up(channel: Channel) -> None:
    now = asyncio.get_running_loop().time()
    with context.bound(CallContext(deadline=now - 1)), pytest.raises(DeadlineExceeded):
        await stats(channel)


async def test_every_hop_keeps_a_moment_of_its_callers_time_for_the_answer() -> None:
    now = asyncio.get_running_loop().time()
    for left, passed_on in ((1.0, 0.9), (5.0, 4.5), (60.0, 59.0)):
        with context.bound(CallContext(deadline=now + left)):
            assert 0 <= passed_on - context.remaining_to_pass_on(3600) < 0.5
            assert context.remaining_to_pass_on(0.1) == 0.1
    assert context.remaining_to_pass_on(3600) == 3600


async def test_a_service_that_hangs_is_named_across_every_hop_before_the_caller_gives_up(
    silent: str, scripted: Scripted
) -> None:
    async with Channel(silent, "silent") as hanging:
        scripted.asks = partial(stats, hanging, 60.0)
        async with serving(scripted, grace_s=0) as server, Channel(server.address, "near") as near:
            with pytest.raises(WeftError) as refused:
                await stats(near, limit_s=6.0)
    assert refused.value.reason == error_pb2.ERROR_REASON_DEADLINE_EXCEEDED
    assert refused.value.metadata == {"dependency": "silent"}
    assert refused.value.message.startswith("silent did not answer")


async def test_a_wait_comes_as_retry_info_and_as_pushback(scripted: Scripted, channel: Channel) -> None:
    scripted.raises = Exhausted(error_pb2.ERROR_REASON_RATE_LIMITED, "too fast; wait", 1.5, limit="10")
    stub = cache_pb2_grpc.CacheServiceStub(channel.raw)
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await stub.GetStats(cache_pb2.GetStatsRequest())
    trailers = dict(failed.value.trailing_metadata())
    assert failed.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert trailers["grpc-retry-pushback-ms"] == "1500"
    status = status_pb2.Status.FromString(trailers["grpc-status-details-bin"])
    info, retry = error_details_pb2.ErrorInfo(), error_details_pb2.RetryInfo()
    assert status.details[0].Unpack(info)
    assert status.details[1].Unpack(retry)
    assert (info.reason, info.domain, dict(info.metadata)) == ("RATE_LIMITED", "weft", {"limit": "10"})
    assert retry.retry_delay.ToMilliseconds() == 1500


async def test_violations_reach_the_caller_field_by_field(scripted: Scripted, channel: Channel) -> None:
    scripted.raises = InvalidFields({"request.model": "must not be empty"})
    with pytest.raises(WeftError) as failed:
        await stats(channel)
    assert failed.value.status is grpc.StatusCode.INVALID_ARGUMENT
    assert failed.value.violations == {"request.model": "must not be empty"}
    assert failed.value.reason == error_pb2.ERROR_REASON_INVALID_FIELD


async def test_an_unexpected_exception_never_shows_its_text(scripted: Scripted, channel: Channel) -> None:
    scripted.raises = RuntimeError("password=hunter2")
    with pytest.raises(WeftError) as failed:
        await stats(channel)
    assert failed.value.reason == error_pb2.ERROR_REASON_INTERNAL
    assert "hunter2" not in str(failed.value)
    assert failed.value.metadata["call_id"]


async def test_a_stream_that_fails_midway_fails_with_its_reason(scripted: Scripted, channel: Channel) -> None:
    scripted.raises = DependencyDown("engine", "restart it")
    stub = inference_pb2_grpc.InferenceServiceStub(channel.raw)
    call = stub.Generate(inference_pb2.GenerateRequest(), **channel.call(5))
    with pytest.raises(WeftError) as failed:
        async with channel.streaming(call) as events:
            async for _ in events:
                pass
    assert (failed.value.reason_name, failed.value.metadata) == ("DEPENDENCY_DOWN", {"dependency": "engine"})


async def test_leaving_a_stream_ends_it_at_the_other_end(scripted: Scripted, channel: Channel) -> None:
    stub = inference_pb2_grpc.InferenceServiceStub(channel.raw)
    async with channel.streaming(stub.Generate(inference_pb2.GenerateRequest(), **channel.call(30))) as events:
        await anext(events)
        assert not scripted.left.is_set()
    async with asyncio.timeout(10):
        await scripted.left.wait()


async def test_a_dead_peer_is_named(scripted: Scripted) -> None:
    async with serving(scripted) as server:
        address = server.address
    async with Channel(address, "cache") as channel:
        with pytest.raises(DependencyDown) as failed:
            await stats(channel)
    assert failed.value.metadata == {"dependency": "cache"}


async def test_a_stranger_at_the_address_is_told_apart_from_a_bug(channel: Channel) -> None:
    stub = router_pb2_grpc.RouterServiceStub(channel.raw)
    with pytest.raises(Unsupported, match="check the address"):
        await channel.unary(stub.ListModels(router_pb2.ListModelsRequest(), **channel.call(5)))


async def test_draining_refuses_new_calls_and_lets_running_streams_finish(scripted: Scripted) -> None:
    server = await serving(scripted).__aenter__()
    async with Channel(server.address, "scripted") as channel:
        stub = inference_pb2_grpc.InferenceServiceStub(channel.raw)
        health = health_pb2_grpc.HealthStub(channel.raw)
        watching = aiter(health.Watch(health_pb2.HealthCheckRequest(service="weft.cache.v1.CacheService")))
        assert (await anext(watching)).status == health_pb2.HealthCheckResponse.SERVING
        async with channel.streaming(stub.Generate(inference_pb2.GenerateRequest(), **channel.call(30))) as events:
            await anext(events)
            leaving = asyncio.create_task(server.__aexit__(None, None, None))
            assert (await anext(watching)).status == health_pb2.HealthCheckResponse.NOT_SERVING
            with pytest.raises(WeftError) as refused:
                await stats(channel)
            assert refused.value.status is grpc.StatusCode.UNAVAILABLE
            scripted.finish.set()
            assert (await anext(events)).HasField("finished")
    await leaving


async def test_a_stream_that_outlasts_the_grace_is_sent_to_another_replica(scripted: Scripted) -> None:
    server = await serving(scripted, grace_s=0.1).__aenter__()
    async with Channel(server.address, "scripted") as channel:
        stub = inference_pb2_grpc.InferenceServiceStub(channel.raw)
        with pytest.raises(WeftError) as sent_away:
            async with channel.streaming(stub.Generate(inference_pb2.GenerateRequest(), **channel.call(30))) as events:
                await anext(events)
                leaving = asyncio.create_task(server.__aexit__(None, None, None))
                await anext(events)
        assert sent_away.value.status is grpc.StatusCode.UNAVAILABLE
        assert sent_away.value.reason == error_pb2.ERROR_REASON_DRAINING
        assert sent_away.value.retry_after_s
        assert scripted.was_sent_away
    async with asyncio.timeout(10):
        await leaving


async def test_a_caller_who_leaves_was_not_sent_away(scripted: Scripted, channel: Channel) -> None:
    stub = inference_pb2_grpc.InferenceServiceStub(channel.raw)
    async with channel.streaming(stub.Generate(inference_pb2.GenerateRequest(), **channel.call(5))) as events:
        await anext(events)
    await asyncio.wait_for(scripted.left.wait(), 10)
    assert not scripted.was_sent_away


async def test_a_reader_who_leaves_while_a_message_is_written_is_no_bug_of_ours(
    scripted: Scripted, channel: Channel
) -> None:
    scripted.floods = True
    stub = inference_pb2_grpc.InferenceServiceStub(channel.raw)
    before = internal_errors()
    for _ in range(50):
        scripted.left.clear()
        async with channel.streaming(stub.Generate(inference_pb2.GenerateRequest(), **channel.call(5))) as events:
            await anext(events)
        await asyncio.wait_for(scripted.left.wait(), 10)
    assert internal_errors() == before


def internal_errors() -> float:
    method = "/weft.inference.v1.InferenceService/Generate"
    return metrics.CALLS.labels(method, "INTERNAL")._value.get()


async def test_calls_go_to_whichever_replica_is_there(scripted: Scripted) -> None:
    async with serving(scripted, grace_s=0) as one:
        two = await serving(scripted, grace_s=0).__aenter__()
        async with Channel(f"ipv4:{one.address},{two.address}", "scripted") as channel:
            for _ in range(4):
                assert (await stats(channel)).entries == 7
            await two.__aexit__(None, None, None)
            for _ in range(4):
                assert (await stats(channel)).entries == 7


async def test_a_watched_server_drains_at_once(scripted: Scripted) -> None:
    server = await serving(scripted, grace_s=60).__aenter__()
    async with Channel(server.address, "scripted") as channel:
        watching = aiter(health_pb2_grpc.HealthStub(channel.raw).Watch(health_pb2.HealthCheckRequest()))
        assert (await anext(watching)).status == health_pb2.HealthCheckResponse.SERVING
        async with asyncio.timeout(20):
            await server.__aexit__(None, None, None)
        assert (await anext(watching)).status == health_pb2.HealthCheckResponse.NOT_SERVING


async def test_health_of_an_unknown_service_is_not_found(channel: Channel) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await health_pb2_grpc.HealthStub(channel.raw).Check(health_pb2.HealthCheckRequest(service="nonesuch"))
    assert failed.value.code() is grpc.StatusCode.NOT_FOUND


async def test_a_second_server_on_a_busy_port_is_refused(scripted: Scripted) -> None:
    async with serving(scripted) as server:
        with pytest.raises(PortInUse, match="in use"):
            await Server(server.address, []).__aenter__()
