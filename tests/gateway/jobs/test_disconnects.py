"""Callers who leave a job before its end, and what they had asked for."""

import asyncio
import time
from datetime import timedelta
from typing import Any

import grpc.aio
import pytest
from tests.gateway.conftest import Ask, Refused, Work
from tests.support.tcp_proxy import proxied

from weft.cache.v1 import cache_pb2_grpc
from weft.common.v1 import chat_pb2
from weft.gateway.v1 import gateway_pb2 as pb
from weft.gateway.v1 import gateway_pb2_grpc as rpc
from weft.job.v1 import event_pb2, job_pb2
from weft_gateway.config import Config
from weft_gateway.jobs.disconnects import read_patience_s
from weft_gateway.jobs.readers import Readers
from weft_gateway.server import gateway
from weft_kit.joblog import JobLog, kind_of
from weft_kit.rpc.errors import InvalidFields
from weft_kit.rpc.server import Server, Service
from weft_kit.tasks import unbroken

CANCEL = {"on_disconnect": pb.ON_DISCONNECT_CANCEL}


def detached_for(seconds: float) -> dict[str, Any]:
    return {"on_disconnect": pb.ON_DISCONNECT_DETACH_FOR, "detach_for": timedelta(seconds=seconds)}


async def begun(log: JobLog, stream: Any) -> event_pb2.JobEvent:
    """Reads the first event of a stream, and begins the job it names as a worker does."""
    first = (await anext(aiter(stream))).event
    await log.writer(first.job_id, first.sequence).append(event_pb2.Started(attempt=1, provider="local"))
    return first


async def until(log: JobLog, job_id: str, kind: str) -> float:
    """Follows a job until such an event; returns when it came."""
    async with log.follow(job_id) as events:
        async for event in events:
            if kind_of(event) == kind:
                return time.monotonic()
    message = f"{job_id} ended without {kind}"
    raise AssertionError(message)


async def test_a_cancelled_call_cancels_its_job_within_a_quarter_of_a_second(
    caller: Any, ask: Ask, log: JobLog
) -> None:
    stream = caller.generate(ask(), **CANCEL)
    first = await begun(log, stream)
    asked = asyncio.create_task(until(log, first.job_id, "cancel_requested"))
    await asyncio.sleep(0.05)
    left = time.monotonic()
    stream.cancel()
    async with asyncio.timeout(20):
        assert await asked - left < 0.25


async def test_a_job_that_still_waits_is_cancelled_too(caller: Any, ask: Ask, log: JobLog) -> None:
    stream = caller.generate(ask(), **CANCEL)
    first = (await anext(aiter(stream))).event
    stream.cancel()
    async with asyncio.timeout(20):
        await until(log, first.job_id, "done")
    assert (await caller.get(first.job_id)).state == job_pb2.JOB_STATE_CANCELLED


async def test_who_leaves_before_the_job_is_durable_leaves_no_job_behind(
    config: Config, new_caller: Any, ask: Ask, log: JobLog
) -> None:
    asked = asyncio.Event()

    class SilentCache(cache_pb2_grpc.CacheServiceServicer):
        async def Lookup(self, _request: object, _: object) -> None:
            asked.set()
            await asyncio.Event().wait()

    add = cache_pb2_grpc.add_CacheServiceServicer_to_server
    cache = Server("127.0.0.1:0", [Service("weft.cache.v1.CacheService", add, SilentCache())], grace_s=0)
    ends = await log.client.subscribe(f"{log.config.live_prefix}.*.*.done")
    async with cache, gateway(config.model_copy(update={"cache_target": cache.address}), ("serve",)) as server:
        caller = await new_caller(server)
        stream = caller.generate(ask(sampling=chat_pb2.SamplingParams(temperature=0)), **CANCEL)
        reading = asyncio.ensure_future(stream.read())
        await asked.wait()
        stream.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        end = event_pb2.JobEvent.FromString((await ends.next_msg(timeout=5)).data)
    assert end.done.state == job_pb2.JOB_STATE_CANCELLED


async def test_a_call_past_its_deadline_cancels_its_job(caller: Any, ask: Ask, log: JobLog) -> None:
    stream = caller.generate(ask(), limit_s=0.5, **CANCEL)
    first = await begun(log, stream)
    with pytest.raises(grpc.aio.AioRpcError):
        await anext(aiter(stream))  # `started`
        await anext(aiter(stream))
    async with asyncio.timeout(20):
        await until(log, first.job_id, "cancel_requested")


async def test_a_connection_that_breaks_cancels_its_job(server: Server, caller: Any, ask: Ask, log: JobLog) -> None:
    async with (
        proxied(f"tcp://{server.address}") as (proxy, url),
        grpc.aio.insecure_channel(url.removeprefix("tcp://")) as channel,
    ):
        question = pb.GenerateRequest(request=ask(), **CANCEL)
        stream = rpc.GatewayServiceStub(channel).Generate(question, metadata=caller.auth)
        first = await begun(log, stream)
        await proxy.cut()
        async with asyncio.timeout(20):
            await until(log, first.job_id, "cancel_requested")


async def test_who_sees_the_end_has_left_nothing(caller: Any, ask: Ask, work: Work, log: JobLog) -> None:
    stream = caller.generate(ask(), **CANCEL)
    first = (await anext(aiter(stream))).event
    await work(job_pb2.Job(job_id=first.job_id, last_sequence=first.sequence), "answer")
    assert [answer async for answer in stream][-1].event.HasField("done")
    assert [kind_of(event) for event in await log.events(first.job_id)] == ["accepted", "started", "delta", "done"]


async def test_a_refused_call_cancels_nobodys_job(caller: Any, ask: Ask, refused: Refused) -> None:
    job = await caller.submit(ask("one"), "order-1")
    await refused(caller.generate(ask("two"), "order-1", **CANCEL).read())
    assert (await caller.get(job.job_id)).state == job_pb2.JOB_STATE_QUEUED


@pytest.mark.parametrize("policy", [{}, CANCEL, detached_for(1)])
async def test_a_gateway_that_shuts_down_leaves_its_jobs_running(
    config: Config, new_caller: Any, ask: Ask, log: JobLog, policy: dict[str, Any]
) -> None:
    async with gateway(config.model_copy(update={"grace_s": 0.1}), ("serve",)) as server:
        caller = await new_caller(server)
        stream = caller.generate(ask(), **policy)
        first = await begun(log, stream)
    assert [kind_of(event) for event in await log.events(first.job_id)] == ["accepted", "started"]


async def test_a_cancellation_that_has_begun_outlives_the_server(
    config: Config, new_caller: Any, ask: Ask, log: JobLog
) -> None:
    async with gateway(config, ("serve",)) as server:
        caller = await new_caller(server)
        streams = [caller.generate(ask(), **CANCEL) for _ in range(20)]
        firsts = [await begun(log, stream) for stream in streams]
        async with log.cancel_signals() as signals:
            for stream in streams:
                stream.cancel()
            # One has reached the log: the others are on their way.
            await anext(signals)
    for first in firsts:
        assert kind_of((await log.events(first.job_id))[-1]) == "cancel_requested"


async def test_a_job_nobody_reads_for_that_long_is_cancelled(caller: Any, ask: Ask, log: JobLog) -> None:
    stream = caller.generate(ask(), **detached_for(1))
    first = await begun(log, stream)
    asked = asyncio.create_task(until(log, first.job_id, "cancel_requested"))
    left = time.monotonic()
    stream.cancel()
    async with asyncio.timeout(20):
        assert 1.0 <= await asked - left < 4.0


async def test_a_job_that_somebody_reads_through_another_gateway_runs_on(
    config: Config, server: Server, new_caller: Any, ask: Ask, log: JobLog
) -> None:
    async with gateway(config, ("serve",)) as other:
        one = await new_caller(server)
        two = await new_caller(other, tenant=one.key.tenant)
        stream = one.generate(ask(), **detached_for(1))
        first = await begun(log, stream)
        reader = two.stream(first.job_id)
        await anext(aiter(reader))
        stream.cancel()
        asked = asyncio.create_task(until(log, first.job_id, "cancel_requested"))
        await asyncio.sleep(2.5)
        assert not asked.done()
        left = time.monotonic()
        reader.cancel()
        async with asyncio.timeout(20):
            assert 0.9 <= await asked - left < 4.0


async def test_who_looks_in_now_and_then_keeps_a_job_running(caller: Any, ask: Ask, log: JobLog) -> None:
    stream = caller.generate(ask(), **detached_for(1))
    first = await begun(log, stream)
    stream.cancel()
    for _ in range(5):
        await asyncio.sleep(0.5)
        assert (await caller.get(first.job_id)).state == job_pb2.JOB_STATE_RUNNING
        assert kind_of((await log.events(first.job_id))[-1]) == "started"
    async with asyncio.timeout(20):
        await until(log, first.job_id, "cancel_requested")


async def test_a_cancellation_waits_for_work_that_must_not_stop_half_way() -> None:
    begun, may_end = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        begun.set()
        await may_end.wait()
        steps.append("through")

    steps: list[str] = []
    caller = asyncio.create_task(unbroken(work()))
    await begun.wait()
    caller.cancel()
    await asyncio.sleep(0)
    assert not caller.done()
    may_end.set()
    with pytest.raises(asyncio.CancelledError):
        await caller
    assert steps == ["through"]


async def test_readers_know_of_each_other_and_when_the_last_one_left(log: JobLog) -> None:
    one, other = (Readers(log.client, log.config.stream) for _ in range(2))
    async with one.answering(), other.answering():
        assert await one.last_read_s("job") is None
        with other.reading("job"), other.reading("job"):
            assert await one.last_read_s("job") == 0
        with one.reading("job"):
            assert await other.last_read_s("job") == 0
        age_s = await other.last_read_s("job")
        assert age_s is not None
        assert 0 <= age_s < 2
        with one.reading("ended") as reading:
            reading.over = True
        assert await other.last_read_s("ended") is None


async def test_readers_of_other_meshes_do_not_answer(log: JobLog) -> None:
    one, other = Readers(log.client, log.config.stream), Readers(log.client, "ANOTHER")
    async with one.answering(), other.answering():
        with other.reading("job"):
            assert await one.last_read_s("job") is None


def test_what_becomes_of_a_job_is_read_from_the_request() -> None:
    assert read_patience_s(pb.GenerateRequest()) is None
    assert read_patience_s(pb.GenerateRequest(on_disconnect=pb.ON_DISCONNECT_DETACH)) is None
    assert read_patience_s(pb.GenerateRequest(on_disconnect=99)) is None
    assert read_patience_s(pb.GenerateRequest(**CANCEL)) == 0
    for patience_s in (1, 2.5, 3600):
        assert read_patience_s(pb.GenerateRequest(**detached_for(patience_s))) == patience_s


@pytest.mark.parametrize(
    "wrong",
    [
        {"on_disconnect": pb.ON_DISCONNECT_DETACH_FOR},
        detached_for(0.9),
        detached_for(3601),
        {"detach_for": timedelta(seconds=5)},
        {"on_disconnect": pb.ON_DISCONNECT_CANCEL, "detach_for": timedelta(seconds=5)},
    ],
)
def test_detach_for_goes_with_its_policy_and_has_a_range(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidFields) as raised:
        read_patience_s(pb.GenerateRequest(**wrong))
    assert raised.value.violations.keys() == {"detach_for"}
