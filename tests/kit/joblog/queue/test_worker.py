"""What a worker does with its leases: side by side, cancelled when told, and none left behind when it goes."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from prometheus_client import CollectorRegistry, Gauge
from structlog.testing import capture_logs
from tests.support.waiting import until

from weft.job.v1 import event_pb2, job_pb2
from weft_kit.joblog import JobLog, Lease, Leases, new_job_id
from weft_kit.joblog.queue.worker import Worker, WorkerLimits
from weft_kit.rpc.context import current_tenant

ENVELOPE = event_pb2.Accepted(tenant="acme", request=job_pb2.GenerationRequest(model="default"))
QUICK = WorkerLimits(grace_s=0.0, goodbye_s=5.0)


class Played:
    """A job that goes on until `may_end` is set, and notes what is done with it."""

    def __init__(self, lease: Lease, may_end: asyncio.Event, *, breaks: bool = False) -> None:
        self.lease = lease
        self.tenant = ""
        self.notes: list[str] = []
        self._may_end = may_end
        self.stopped = asyncio.Event()
        self._breaks = breaks

    async def run(self) -> None:
        self.tenant = current_tenant()
        if self._breaks:
            raise ValueError("broken")
        waits = [asyncio.create_task(event.wait()) for event in (self._may_end, self.stopped)]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        self.notes.append("through")

    async def close(self) -> None:
        if "drain" in self.notes:
            await self.lease.retry()
        else:
            await self.lease.ack()
        self.notes.append("closed")

    async def fail(self) -> None:
        self.notes.append("failed")

    def cancel(self) -> None:
        self.notes.append("cancel")
        self.stopped.set()

    def drain(self) -> None:
        self.notes.append("drain")
        self.stopped.set()


class Harness:
    """A log, and what workers on it were given."""

    def __init__(self, log: JobLog) -> None:
        self.log = log
        self.jobs: dict[str, Played] = {}
        self.missed: list[str] = []
        self.may_end = asyncio.Event()
        self.in_flight = Gauge("in_flight", "", registry=CollectorRegistry())

    async def accept(self) -> str:
        job_id = new_job_id("acme", job_pb2.PRIORITY_NORMAL)
        await self.log.accept(job_id, ENVELOPE)
        return job_id

    @asynccontextmanager
    async def working(
        self, limits: WorkerLimits = QUICK, begin: Callable[[Lease], Played] | None = None
    ) -> AsyncIterator[None]:
        def played(lease: Lease) -> Played:
            job = begin(lease) if begin else Played(lease, self.may_end)
            self.jobs[lease.job_id] = job
            return job

        async def missed(job_id: str) -> None:
            self.missed.append(job_id)

        worker = Worker(self.log, lambda: Leases(self.log, slots=4), played, limits, self.in_flight, missed=missed)
        async with worker.working():
            yield

    async def begun(self, job_id: str) -> Played:
        await until("the job begins", lambda: job_id in self.jobs and self.jobs[job_id].tenant != "")
        return self.jobs[job_id]

    def running(self) -> float:
        return self.in_flight.collect()[0].samples[0].value


@pytest.fixture
def harness(joblog: JobLog) -> Harness:
    return Harness(joblog)


async def test_jobs_run_side_by_side_for_their_tenants(harness: Harness) -> None:
    ids = [await harness.accept() for _ in range(3)]
    async with harness.working(WorkerLimits(grace_s=20.0)):
        jobs = [await harness.begun(job_id) for job_id in ids]
        assert ([job.tenant for job in jobs], harness.running()) == (["acme"] * 3, 3)
        harness.may_end.set()
    assert [job.notes for job in jobs] == [["through", "closed"]] * 3
    assert harness.running() == 0


async def test_leaving_lets_jobs_end_within_the_grace(harness: Harness) -> None:
    job_id = await harness.accept()
    async with harness.working(WorkerLimits(grace_s=20.0)):
        job = await harness.begun(job_id)
        asyncio.get_running_loop().call_later(0.2, harness.may_end.set)
    assert job.notes == ["through", "closed"]


async def test_a_job_past_the_grace_is_given_back_and_comes_again(harness: Harness) -> None:
    job_id = await harness.accept()
    async with harness.working():
        first = await harness.begun(job_id)
    assert first.notes == ["drain", "through", "closed"]
    async with harness.working():
        await until("the job comes again", lambda: harness.jobs[job_id] is not first)
        assert harness.jobs[job_id].lease.delivery == 2


async def test_a_job_that_does_not_say_goodbye_is_cancelled_and_given_back(harness: Harness) -> None:
    class Deaf(Played):
        def drain(self) -> None:
            self.notes.append("drain")

    job_id = await harness.accept()
    async with harness.working(WorkerLimits(goodbye_s=0.2), lambda lease: Deaf(lease, harness.may_end)):
        first = await harness.begun(job_id)
    assert first.notes == ["drain"]
    async with harness.working():
        await until("the job comes again", lambda: harness.jobs[job_id] is not first)


async def test_a_cancel_reaches_the_job_or_is_told_as_missed(harness: Harness) -> None:
    job_id, elsewhere = await harness.accept(), await harness.accept()
    async with harness.working():
        job, other = await harness.begun(job_id), await harness.begun(elsewhere)
        for one in (job, other):
            await harness.log.writer(one.lease.job_id, one.lease.event.sequence).append(event_pb2.Started(attempt=1))
        other.stopped.set()
        await until("the other one ends", lambda: "closed" in other.notes)
        for asked in (elsewhere, job_id):
            await harness.log.request_cancel(asked, "enough")
        await until("the job stops", lambda: "closed" in job.notes)
    assert job.notes == ["cancel", "through", "closed"]
    assert harness.missed == [elsewhere]


async def test_a_job_that_breaks_is_logged_and_left_and_takes_no_other_with_it(harness: Harness) -> None:
    with capture_logs() as lines:
        broken, good = await harness.accept(), await harness.accept()
        async with harness.working(begin=lambda lease: Played(lease, harness.may_end, breaks=lease.job_id == broken)):
            await harness.begun(good)
            await until("it fails", lambda: broken in harness.jobs and "failed" in harness.jobs[broken].notes)
            harness.may_end.set()
            await until("the other one ends", lambda: "closed" in harness.jobs[good].notes)
    left = [(line["event"], line["job_id"]) for line in lines if line["log_level"] == "error"]
    assert left == [("job left", broken)]
    assert harness.jobs[broken].notes == ["failed"]
