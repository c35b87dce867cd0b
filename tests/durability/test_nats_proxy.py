"""The instrument itself: it sees every step where it stands, and changes nothing else."""

import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
from tests.durability.nats_proxy import Moment, NatsProxy, Trap

from weft.job.v1 import event_pb2, job_pb2
from weft_kit.joblog import JobLog, Leases, LogConfig, connect, new_job_id, text_hash

DONE = event_pb2.Done(state=job_pb2.JOB_STATE_SUCCEEDED, text_hash=text_hash(""))


@pytest.fixture
async def proxy(nats_url: str) -> AsyncIterator[NatsProxy]:
    async with NatsProxy(nats_url).listening() as proxy:
        yield proxy


@pytest.fixture
async def logs(nats_url: str, proxy: NatsProxy) -> AsyncIterator[tuple[JobLog, JobLog]]:
    """One log behind the proxy, and the same one without it."""
    name = uuid4().hex[:8]
    config = LogConfig(stream=f"JOBS_{name}", prefix=f"jobs_{name}", live_prefix=f"live_{name}", max_bytes=64 * 1024**2)
    async with connect(proxy.url, "behind") as behind, connect(nats_url, "beside") as beside:
        direct = JobLog(beside, config)
        await direct.ensure()
        yield JobLog(behind, config), direct
        await beside.jetstream().delete_stream(config.stream)


async def kinds(log: JobLog, job_id: str) -> list[str | None]:
    return [event.WhichOneof("event") for event in await log.events(job_id)]


@pytest.mark.parametrize(
    ("moment", "stored"),
    [(Moment.BEFORE, ["accepted"]), (Moment.UNHEARD, ["accepted", "done"]), (Moment.HEARD, ["accepted", "done"])],
)
async def test_a_trap_springs_at_its_moment(
    proxy: NatsProxy, logs: tuple[JobLog, JobLog], moment: Moment, stored: list[str]
) -> None:
    behind, direct = logs
    job_id = new_job_id("acme", job_pb2.PRIORITY_NORMAL)
    first = await behind.accept(job_id, event_pb2.Accepted(tenant="acme"))
    seen: list[list[str | None]] = []

    async def look(_: NatsProxy) -> None:
        seen.append(await kinds(direct, job_id))

    trap = Trap("done", moment, look, cuts=False)
    proxy.arm(trap)
    await asyncio.wait_for(behind.writer(job_id, first.sequence).append(DONE), 20)
    await asyncio.wait_for(trap.sprung.wait(), 20)

    assert seen == [stored]
    assert await kinds(direct, job_id) == ["accepted", "done"]


@pytest.mark.parametrize("moment", [Moment.BEFORE, Moment.UNHEARD])
async def test_a_write_whose_connection_is_cut_is_stored_once(
    proxy: NatsProxy, logs: tuple[JobLog, JobLog], moment: Moment
) -> None:
    behind, direct = logs
    job_id = new_job_id("acme", job_pb2.PRIORITY_NORMAL)
    first = await behind.accept(job_id, event_pb2.Accepted(tenant="acme"))

    async def nothing(_: NatsProxy) -> None: ...

    trap = Trap("done", moment, nothing)
    proxy.arm(trap)
    await asyncio.wait_for(behind.writer(job_id, first.sequence).append(DONE), 20)

    assert trap.sprung.is_set()
    assert await kinds(direct, job_id) == ["accepted", "done"]


async def test_an_ack_is_a_step_too(proxy: NatsProxy, logs: tuple[JobLog, JobLog]) -> None:
    behind, direct = logs
    pending: list[int] = []

    async def look(_: NatsProxy) -> None:
        pending.append((await direct.depth("acme")).in_flight)

    trap = Trap("ack", Moment.BEFORE, look, cuts=False)
    proxy.arm(trap)
    await behind.accept(new_job_id("acme", job_pb2.PRIORITY_NORMAL), event_pb2.Accepted(tenant="acme"))
    async with Leases(behind, slots=1).leases() as leases:
        await (await asyncio.wait_for(anext(leases), 20)).ack()
        await asyncio.wait_for(trap.sprung.wait(), 20)

    assert pending == [1]
