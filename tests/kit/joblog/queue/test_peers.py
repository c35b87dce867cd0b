"""What a worker that is gone held comes to another at once; what only looks like it stays where it is."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from structlog.testing import capture_logs
from tests.kit.joblog.queue.test_leases import accept
from tests.support.waiting import until

from weft_compose.servers import NatsServer, serving
from weft_kit.joblog import JobLog, Lease, Leases, connect
from weft_kit.joblog.connection.frugal_client import FrugalClient
from weft_kit.joblog.queue import peers
from weft_kit.joblog.queue.peers import Peers

# Longer than any test: what comes again sooner was handed on.
ACK_WAIT_S = 600.0
LIMIT_S = 30.0


@pytest.fixture
def patient(joblog: JobLog) -> JobLog:
    return JobLog(joblog.client, replace(joblog.config, ack_wait_s=ACK_WAIT_S))


@dataclass
class Worker:
    """A worker with a connection of its own, as every process has."""

    client: FrugalClient
    leases: AsyncIterator[Lease]
    peers: Peers

    def knows_of(self, count: int) -> bool:
        """Says whether a peer has told it that it holds so many jobs."""
        return any(len(peer.held) == count for peer in self.peers._peers.values())


@asynccontextmanager
async def worker(nats_url: str, log: JobLog, name: str) -> AsyncIterator[Worker]:
    async with connect(nats_url, name) as client:
        queue = Leases(JobLog(client, log.config), slots=8, name=name)
        async with queue.leases() as leases:
            yield Worker(client, leases, queue._peers)


async def eventually(look: Callable[[], bool]) -> None:
    async def now() -> bool:
        return look()

    await until("what is looked for", now, LIMIT_S)


async def leased(leases: AsyncIterator[Lease], count: int) -> list[Lease]:
    async with asyncio.timeout(LIMIT_S):
        return [await anext(leases) for _ in range(count)]


async def test_jobs_of_a_worker_whose_connection_broke_are_handed_on_at_once(patient: JobLog, nats_url: str) -> None:
    async with worker(nats_url, patient, "lost") as lost:
        ids = await accept(patient, 5)
        await leased(lost.leases, 5)
        async with worker(nats_url, patient, "other") as other:
            await eventually(lambda: other.knows_of(5))
            with capture_logs() as lines:
                await lost.client.close()
                again = await leased(other.leases, 5)
    assert {lease.job_id for lease in again} == ids
    assert {lease.delivery for lease in again} == {2}
    gone = [line for line in lines if line["event"].startswith("a worker is gone")]
    assert [(line["worker"], line["jobs"]) for line in gone] == [("lost", 5)]


async def test_what_it_had_done_with_is_not_handed_on(patient: JobLog, nats_url: str) -> None:
    async with worker(nats_url, patient, "lost") as lost:
        await accept(patient, 3)
        done, _, _ = await leased(lost.leases, 3)
        async with worker(nats_url, patient, "other") as other:
            await eventually(lambda: other.knows_of(3))
            await done.ack()
            await eventually(lambda: other.knows_of(2))
            await lost.client.close()
            again = await leased(other.leases, 2)
    assert done.job_id not in {lease.job_id for lease in again}


async def test_a_worker_that_leaves_in_peace_worries_nobody(patient: JobLog, nats_url: str) -> None:
    async with connect(nats_url, "test") as client, connect(nats_url, "test") as other:
        stays, leaves = (Peers(each, patient.config) for each in (client, other))
        async with stays.watching():
            async with leaves.watching():
                await eventually(lambda: len(stays._peers) == 1)
            await eventually(lambda: not stays._peers)


async def test_one_that_leaves_with_jobs_is_looked_after_until_it_has_none(patient: JobLog, nats_url: str) -> None:
    async with connect(nats_url, "test") as client, connect(nats_url, "test") as other:
        stays, leaves = (Peers(each, patient.config) for each in (client, other))
        async with stays.watching():
            async with leaves.watching():
                leaves.take("$JS.ACK.a")
                await eventually(lambda: [peer.held for peer in stays._peers.values()] == [{"$JS.ACK.a"}])
            assert await stays._is_there(leaves._id)
            assert stays._peers
            leaves.drop("$JS.ACK.a")
            await eventually(lambda: not stays._peers)


async def test_a_worker_that_is_silent_is_there(patient: JobLog, nats_url: str) -> None:
    async with connect(nats_url, "test") as client, connect(nats_url, "test") as other:
        peers = Peers(client, patient.config)
        await other.listen(f"weft.workers.{patient.config.stream}.frozen", lambda _: None)
        await other.flush()
        assert await peers._is_there("frozen")
        assert not await peers._is_there("gone")


async def test_whoever_comes_later_learns_what_all_hold(patient: JobLog, nats_url: str) -> None:
    async with connect(nats_url, "test") as client, connect(nats_url, "test") as other:
        first, second = (Peers(each, patient.config, name) for each, name in ((client, "first"), (other, "second")))
        many = {f"$JS.ACK.{number}" for number in range(5_000)}
        async with first.watching():
            for delivery_id in many:
                first.take(delivery_id)
            async with second.watching():
                await eventually(lambda: [peer.held for peer in second._peers.values()] == [many])


async def test_jobs_that_are_over_in_no_time_are_not_spoken_of(patient: JobLog, nats_url: str) -> None:
    said: list[bytes] = []
    async with connect(nats_url, "test") as client:
        await client.listen(f"weft.workers.{patient.config.stream}", lambda message: said.append(message.data))
        peers = Peers(client, patient.config)
        async with peers.watching():
            for number in range(100):
                peers.take(f"$JS.ACK.{number}")
                peers.drop(f"$JS.ACK.{number}")
            peers.take("$JS.ACK.long")
            await eventually(lambda: any(b"long" in words for words in said))
            peers.drop("$JS.ACK.long")
    assert sum(words.count(b"$JS.ACK") for words in said) <= 2


async def test_nobody_is_taken_for_gone_while_the_server_comes_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peers, "_GONE_AFTER_S", 0.0)
    with serving(lambda port: NatsServer(tmp_path / "nats", port)) as server:
        async with connect(server.url, "test") as client, connect(server.url, "test") as other:
            first, later = (Peers(each, JobLog(client).config) for each in (client, other))
            async with first.watching(), later.watching():
                await eventually(lambda: bool(first._peers))
                (peer_id,) = first._peers
                back = asyncio.Event()
                client.on_reconnect(back.set)
                with capture_logs() as lines:
                    server.stop()
                    await other.close()  # it does not come back as soon
                    server.start()
                    await asyncio.wait_for(back.wait(), LIMIT_S)
                    assert not await first._is_there(peer_id)
                    await first._look_after(peer_id)
                assert peer_id in first._peers
    assert not [line for line in lines if line["event"].startswith("a worker is gone")]
