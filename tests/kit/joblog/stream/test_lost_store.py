"""NATS comes back with nothing in its store: the log goes on by itself, and says that it is a new one."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from structlog.testing import capture_logs
from tests.support.waiting import until

from weft.job.v1 import event_pb2, job_pb2
from weft_compose.servers import NatsServer, serving
from weft_kit.joblog import Batches, Fenced, JobLog, Leases, LogConfig, connect, new_job_id
from weft_kit.rpc.errors import DependencyDown

ENVELOPE = event_pb2.Accepted(tenant="acme", request=job_pb2.GenerationRequest(model="default"))
CONFIG = LogConfig(max_bytes=64 * 1024**2, accept_timeout_s=10.0)


@pytest.fixture
def nats(tmp_path: Path) -> Iterator[NatsServer]:
    with serving(lambda port: NatsServer(tmp_path / "nats", port)) as server:
        yield server


def fresh_id() -> str:
    return new_job_id("acme", job_pb2.PRIORITY_NORMAL)


def lose_store(nats: NatsServer) -> None:
    nats.stop()
    shutil.rmtree(nats.folder)


def come_back(nats: NatsServer) -> None:
    nats.prepare()
    nats.start()
    nats.wait_ready()


@asynccontextmanager
async def watched(nats: NatsServer, name: str) -> AsyncIterator[JobLog]:
    async with connect(nats.url, name) as client:
        log = JobLog(client, CONFIG)
        async with log.watched():
            yield log


async def test_jobs_are_taken_run_and_recorded_again_without_a_restart(nats: NatsServer) -> None:
    ran: set[str] = set()
    recorded: set[str] = set()

    async def has_ended(job_id: str) -> bool:
        return job_id in ran & recorded

    async def work(log: JobLog) -> None:
        async with Leases(log, slots=4).leases() as leases:
            async for lease in leases:
                ran.add(lease.job_id)
                await lease.ack()

    async def record(log: JobLog) -> None:
        async for batch in Batches(log, consumer="recorder", kinds=("accepted",)):
            recorded.update(event.job_id for event in batch.events)
            await batch.ack()

    with capture_logs() as lines:
        async with (
            watched(nats, "gateway") as gateway,
            watched(nats, "router") as router,
            watched(nats, "r") as recorder,
        ):
            working, recording = asyncio.create_task(work(router)), asyncio.create_task(record(recorder))
            before, after = fresh_id(), fresh_id()
            await gateway.accept(before, ENVELOPE)
            assert await until("a job of the first log has run", lambda: has_ended(before), 30)
            lose_store(nats)
            come_back(nats)
            await gateway.accept(after, ENVELOPE)
            assert await until("one of the new log has run", lambda: has_ended(after), 30)
            await gateway.check()
            working.cancel()
            recording.cancel()
            await asyncio.wait((working, recording))
    assert sum(line["event"].startswith("the log is a new one") for line in lines) == 3


async def test_a_job_that_enters_a_new_log_before_its_loss_is_noticed_finds_its_lane(nats: NatsServer) -> None:
    async with watched(nats, "gateway") as gateway, connect(nats.url, "other") as other:
        first, second = fresh_id(), fresh_id()
        await gateway.accept(first, ENVELOPE)
        # As when another service made the stream again, and the gateway has not looked since.
        await other.jetstream().delete_stream(CONFIG.stream)
        await JobLog(other, CONFIG).ensure()
        await gateway.accept(second, ENVELOPE)
        async with asyncio.timeout(30), Leases(JobLog(other, CONFIG), slots=1).leases() as leases:
            assert (await anext(leases)).job_id == second


async def test_a_worker_of_the_lost_log_writes_nothing_into_the_new_one(nats: NatsServer) -> None:
    async with watched(nats, "router") as log:
        job = await log.accept(fresh_id(), ENVELOPE)
        writer = log.writer(job.job_id, job.sequence)
        lose_store(nats)
        come_back(nats)
        with pytest.raises(Fenced) as fenced:
            await writer.append(event_pb2.Started(attempt=1))
        assert fenced.value.last is None
        assert await log.events(job.job_id) == []


async def test_readers_of_a_lost_job_hear_of_its_end(nats: NatsServer) -> None:
    end = event_pb2.Done(state=job_pb2.JOB_STATE_FAILED, accepted=ENVELOPE)
    async with watched(nats, "gateway") as log:
        job = await log.accept(fresh_id(), ENVELOPE)
        # The log goes on far beyond where the new one will begin.
        others = [await log.accept(fresh_id(), ENVELOPE) for _ in range(20)]
        writer = log.writer(job.job_id, job.sequence)
        last = await writer.append(event_pb2.Started(attempt=1))
        assert last > len(others)
        async with log.follow(job.job_id) as live, log.follow(job.job_id, last) as late:
            assert [(await anext(live)).HasField("accepted"), (await anext(live)).HasField("started")] == [True, True]
            waiting = asyncio.create_task(anext(late))
            lose_store(nats)
            come_back(nats)
            ended = await log.answer(job.job_id, end)
            assert ended.sequence < last
            async with asyncio.timeout(20):
                assert (await anext(live)).done == (await waiting).done == end
                assert [event async for event in live] == []
        async with log.follow(job.job_id, last) as again:
            assert [event.done async for event in again] == [end]
        async with log.follow(job.job_id, ended.sequence) as seen:
            assert [event async for event in seen] == []


async def test_an_end_that_was_not_heard_of_is_found_in_the_new_log(nats: NatsServer) -> None:
    async with connect(nats.url, "gateway") as client, connect(nats.url, "other") as other:
        log = JobLog(client, replace(CONFIG, idle_check_s=0.1))
        async with log.watched():
            await log.accept(fresh_id(), ENVELOPE)
            job = await log.accept(fresh_id(), ENVELOPE)
            async with log.follow(job.job_id) as events:
                await anext(events)
                await other.jetstream().delete_stream(CONFIG.stream)
                unheard = JobLog(other, replace(CONFIG, live_prefix="unheard"))
                await unheard.ensure()
                await unheard.answer(job.job_id, event_pb2.Done(accepted=ENVELOPE))
                async with asyncio.timeout(20):
                    assert (await anext(events)).HasField("done")


async def test_nobody_spins_while_the_log_and_its_consumers_are_gone(nats: NatsServer) -> None:
    async def take(log: JobLog) -> None:
        async with Leases(log, slots=64).leases() as leases:
            await anext(leases)

    async def record(log: JobLog) -> None:
        await anext(aiter(Batches(log, consumer="recorder", kinds=("started",))))

    async with connect(nats.url, "service") as client:
        log = JobLog(client, CONFIG)  # nobody watches over it: the stream stays away
        await log.ensure()
        for priority in (job_pb2.PRIORITY_HIGH, job_pb2.PRIORITY_NORMAL, job_pb2.PRIORITY_LOW):
            lane = new_job_id("acme", priority).partition("-")[0]
            await log.lanes.open(lane, 10)
        tasks = [asyncio.create_task(take(log)), asyncio.create_task(record(log))]
        await asyncio.sleep(0.5)
        await client.jetstream().delete_stream(CONFIG.stream)
        before = client.stats["out_msgs"]
        await asyncio.sleep(3)
        assert client.stats["out_msgs"] - before < 150
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


async def test_health_says_when_the_log_freezes_and_when_it_is_back(nats: NatsServer) -> None:
    async with watched(nats, "gateway") as log:
        assert nats.child is not None
        await log.check()
        nats.child.pause()
        try:
            assert await until("it says that it is down", lambda: is_down(log))
        finally:
            nats.child.resume()
        assert await until("it says that it is back", lambda: is_usable(log))


async def is_usable(log: JobLog) -> bool:
    try:
        await log.check()
    except DependencyDown:
        return False
    return True


async def is_down(log: JobLog) -> bool:
    return not await is_usable(log)
