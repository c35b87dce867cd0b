"""The log on three servers, of which the one that leads is killed while everybody works."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest

from weft.job.v1 import event_pb2, job_pb2
from weft_compose.servers import NatsCluster
from weft_kit.joblog import (
    AlreadyAccepted,
    Fenced,
    JobLog,
    Lease,
    Leases,
    LogConfig,
    TokenWriter,
    connect,
    new_job_id,
    text_hash,
)
from weft_kit.rpc.errors import DependencyDown

WORDS = 20
TENANTS = 3


@pytest.fixture
async def logs(cluster: NatsCluster) -> AsyncIterator[list[JobLog]]:
    """One log, as three processes see it, each connected to another server first."""
    name = uuid4().hex[:8]
    config = LogConfig(
        stream=f"JOBS_{name}", prefix=f"jobs_{name}", live_prefix=f"live_{name}", replicas=3, max_bytes=2**28
    )
    urls = cluster.url.split(",")
    async with (
        connect(",".join(urls), "one") as one,
        connect(",".join(urls[1:] + urls[:1]), "two") as two,
        connect(",".join(urls[2:] + urls[:2]), "three") as three,
    ):
        found = [JobLog(client, config) for client in (one, two, three)]
        await asyncio.gather(*(log.ensure() for log in found))
        yield found


class Load:
    """Submits, works and reads, each through its own connection, until told to stop."""

    def __init__(self, submits: JobLog, works: JobLog, reads: JobLog) -> None:
        self._submits, self._works, self._reads = submits, works, reads
        self.accepted: list[str] = []
        self.read: dict[str, str] = {}
        self.stopping = asyncio.Event()

    async def submit(self, number: int) -> None:
        while not self.stopping.is_set():
            tenant = f"tenant-{number % TENANTS}"
            envelope = event_pb2.Accepted(tenant=tenant, request_hash=uuid4().hex)
            job_id = new_job_id(tenant, job_pb2.PRIORITY_NORMAL)
            async with self._reads.follow(job_id) as events:
                await self._insist(job_id, envelope)
                self.accepted.append(job_id)
                self.read[job_id] = await assembled(events)

    async def _insist(self, job_id: str, envelope: event_pb2.Accepted) -> None:
        """What a client does: the same request again until it is answered."""
        while True:
            try:
                await self._submits.accept(job_id, envelope)
            except DependencyDown:
                continue
            except AlreadyAccepted as repeat:
                if repeat.first.accepted.request_hash != envelope.request_hash:
                    raise
            return

    async def work(self) -> None:
        async with Leases(self._works, slots=64).leases() as leases, asyncio.TaskGroup() as group:
            async for lease in leases:
                group.create_task(self._run(lease))

    async def _run(self, lease: Lease) -> None:
        try:
            with lease.heartbeats():
                await self._write(lease)
        except (DependencyDown, Fenced):
            lease.release()  # comes again after the ack wait, or is another attempt's by now
        else:
            await lease.ack()

    async def _write(self, lease: Lease) -> None:
        writer = self._works.writer(lease.job_id, lease.event.sequence)
        if lease.delivery > 1:
            events = await self._works.events(lease.job_id)
            if events[-1].HasField("done"):
                return
            writer = self._works.writer(lease.job_id, events[-1].sequence)
            await writer.append(event_pb2.Rewound(to_sequence=lease.event.sequence))
        await writer.append(event_pb2.Started(attempt=1))
        async with TokenWriter(writer, 0.01) as tokens:
            for word in range(WORDS):
                tokens.add(event_pb2.Delta(text=f"{lease.job_id[-4:]}-{word} ", token_count=1))
                await asyncio.sleep(0.005)
            await tokens.finish()
        text = expected_text(lease.job_id)
        answer = job_pb2.Answer(text=text)
        await writer.append(event_pb2.Done(state=job_pb2.JOB_STATE_SUCCEEDED, answer=answer, text_hash=text_hash(text)))


async def assembled(events: AsyncIterator[event_pb2.JobEvent]) -> str:
    """What a reader makes of a job; fails on an event out of order."""
    pieces: list[tuple[int, str]] = []
    last = 0
    async for event in events:
        assert event.sequence > last
        last = event.sequence
        if event.HasField("delta"):
            pieces.append((event.sequence, event.delta.text))
        elif event.HasField("rewound"):
            pieces = [piece for piece in pieces if piece[0] <= event.rewound.to_sequence]
    return "".join(text for _, text in pieces)


def expected_text(job_id: str) -> str:
    return "".join(f"{job_id[-4:]}-{word} " for word in range(WORDS))


@pytest.mark.timeout(180)
async def test_killing_the_leader_under_load_loses_no_job_and_shows_no_reader_a_gap(
    cluster: NatsCluster, logs: list[JobLog]
) -> None:
    load = Load(*logs)
    working = asyncio.create_task(load.work())
    submitting = [asyncio.create_task(load.submit(number)) for number in range(24)]
    await asyncio.sleep(1.5)
    before = len(load.accepted)
    leader = cluster.leader_of(logs[0].config.stream)
    await asyncio.to_thread(leader.kill)
    await asyncio.sleep(6)
    leader.start()
    await asyncio.sleep(1.5)
    load.stopping.set()
    async with asyncio.timeout(60):
        finished = asyncio.gather(*submitting)
        await asyncio.wait((finished, working), return_when=asyncio.FIRST_COMPLETED)
    assert not working.done() or working.result()
    working.cancel()
    await asyncio.wait((working,))

    assert before > 0
    assert len(load.accepted) > before, "nothing was accepted once the leader was dead"
    assert set(load.read) == set(load.accepted)
    wrong = [job_id for job_id, text in load.read.items() if text != expected_text(job_id)]
    assert not wrong
    ends: Counter[str] = Counter()
    for job_id in load.accepted:
        kinds = [event.WhichOneof("event") for event in await logs[0].events(job_id)]
        ends[job_id] = kinds.count("done")
        assert kinds[-1] == "done", kinds
    assert set(ends.values()) == {1}


async def test_a_job_reads_the_same_from_every_server(cluster: NatsCluster, logs: list[JobLog]) -> None:
    job_id = new_job_id("acme", job_pb2.PRIORITY_NORMAL)
    first = await logs[0].accept(job_id, event_pb2.Accepted(tenant="acme"))
    writer = logs[0].writer(job_id, first.sequence)
    for number in range(50):
        written = await writer.append(event_pb2.Delta(text=str(number)))
        for log in logs:
            # Right after the write, while followers may still be learning of it.
            assert (await log.events(job_id))[-1].sequence == written
