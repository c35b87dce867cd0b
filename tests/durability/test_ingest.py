"""An ingest job survives its workers and its stores: every document is stored once, and nothing else is left."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.durability.environment import revive
from tests.durability.processes import Service
from tests.retrieval.ingest_jobs.ingest_client import IngestClient, PatientEmbedder, document, notes
from tests.support.waiting import until

from weft.inference.v1 import inference_pb2_grpc
from weft.job.v1 import job_pb2
from weft.retrieval.v1 import retrieval_pb2 as pb
from weft.retrieval.v1 import retrieval_pb2_grpc as rpc
from weft_compose.ports import LOOPBACK, free_ports
from weft_compose.servers import NatsServer, PostgresServer, serving
from weft_kit.rpc.channel import Channel
from weft_kit.rpc.context import CallContext, bound
from weft_kit.rpc.server import Server
from weft_kit.rpc.server import Service as Served

DOCUMENTS = 120
# Those of before, of which the job changes some.
BEFORE = 20
# What is stored must survive a killed server, though not a machine without power.
_FORGETFUL = {"fsync": "off", "full_page_writes": "off"}


@dataclass
class Mesh:
    nats: NatsServer
    postgres: PostgresServer
    server: Service
    workers: tuple[Service, Service]
    client: IngestClient
    embedder: PatientEmbedder

    async def half_way(self) -> pb.IngestJob:
        """Begins a job, with the first worker only, and returns when that has stored a part and holds another."""
        await self.workers[0].start()
        await self.client.done(await self.client.begin(notes(BEFORE)))
        self.embedder.pass_only(4)
        self.embedder.held.clear()
        changed = [document(f"note-{number}", f"Changed to text{number}.") for number in range(5)]
        job = await self.client.begin([*changed, *notes(DOCUMENTS - 5, 5)])
        await asyncio.wait_for(self.embedder.held.wait(), 20)
        return job

    async def is_right(self, job: pb.IngestJob) -> None:
        """Fails unless the job stored each of its documents once, and nothing else is there."""
        ended = await self.client.done(job)
        assert ended.state == job_pb2.JOB_STATE_SUCCEEDED, ended
        progress = ended.progress
        assert (progress.documents, progress.failed) == (DOCUMENTS, 0)
        assert progress.created + progress.updated + progress.unchanged == DOCUMENTS
        assert (progress.created, progress.updated) == (DOCUMENTS - BEFORE, 5)
        kinds = [event.WhichOneof("event") for event in await self.client.events(job.job_id)]
        assert kinds.count("done") == 1
        with self.postgres.superuser("weft") as session:  # who sees past the fence between tenants
            counted = session.execute(_COUNTED).fetchone()
            kept = session.execute(_KEPT).fetchone()
            left = session.execute("SELECT count(content) FROM retrieval.staged_documents").fetchone()
        assert counted == kept == (DOCUMENTS, DOCUMENTS, DOCUMENTS)
        assert left == (0,)


_COUNTED = """
    SELECT (SELECT count(*) FROM retrieval.documents), (SELECT count(*) FROM retrieval.chunks),
           (SELECT count(*) FROM retrieval.windows)
"""
_KEPT = "SELECT document_count, chunk_count, window_count FROM retrieval.collections"


@pytest.fixture
async def mesh(tmp_path: Path) -> AsyncIterator[Mesh]:
    async with AsyncExitStack() as stack:
        nats = stack.enter_context(serving(lambda port: NatsServer(tmp_path / "nats", port)))
        postgres = stack.enter_context(serving(lambda port: PostgresServer(tmp_path / "pg", port, None, _FORGETFUL)))
        embedder = PatientEmbedder()
        add = inference_pb2_grpc.add_InferenceServiceServicer_to_server
        served = Served("weft.inference.v1.InferenceService", add, embedder)
        inference = await stack.enter_async_context(Server(f"{LOOPBACK}:0", (served,), grace_s=0))
        (port,) = free_ports(1)
        settings = {
            "listen": f"{LOOPBACK}:{port}",
            "nats_url": nats.url,
            "postgres_url": postgres.url,
            "inference_target": inference.address,
            "log": json.dumps({"ack_wait_s": 1.5, "max_bytes": 64 * 1024**2}),
            "grace_s": "1",
        }
        env = {f"WEFT_RETRIEVAL_{name.upper()}": value for name, value in settings.items()}
        server = Service("server", ("weft_retrieval", "serve"), env, tmp_path / "server.log", settings["listen"])
        one, two = (Service(name, ("weft_retrieval", "work"), env, tmp_path / f"{name}.log") for name in ("one", "two"))
        for service in (server, one, two):
            stack.callback(service.kill)
        await server.start()
        channel = await stack.enter_async_context(Channel(settings["listen"], "retrieval"))
        await until("the collection", lambda: _created(channel))
        yield Mesh(nats, postgres, server, (one, two), IngestClient(channel), embedder)


async def _created(channel: Channel) -> bool:
    stub = rpc.RetrievalServiceStub(channel.raw)
    with bound(CallContext(tenant="acme")):
        call = stub.CreateCollection(pb.CreateCollectionRequest(name="docs"), **channel.call(5))
    try:
        await call
    except Exception:  # noqa: BLE001 - PostgreSQL is not migrated yet
        return False
    return True


async def test_a_killed_workers_job_is_finished_by_another(mesh: Mesh) -> None:
    job = await mesh.half_way()
    mesh.workers[0].kill()
    mesh.embedder.pass_all()
    await mesh.workers[1].start()
    await mesh.is_right(job)


async def test_a_worker_that_was_frozen_stores_nothing_twice(mesh: Mesh) -> None:
    job = await mesh.half_way()
    mesh.workers[0].pause()
    await mesh.workers[1].start()
    await asyncio.wait_for(mesh.client.started(job.job_id, attempts=2), 20)
    mesh.workers[0].resume()
    mesh.embedder.pass_all()
    await mesh.is_right(job)


async def test_a_worker_that_is_told_to_stop_gives_its_job_back(mesh: Mesh) -> None:
    job = await mesh.half_way()
    await mesh.workers[1].start()
    assert await mesh.workers[0].stop() == 0
    mesh.embedder.pass_all()
    await mesh.is_right(job)


async def test_postgresql_may_be_killed_meanwhile(mesh: Mesh) -> None:
    job = await mesh.half_way()
    mesh.postgres.kill()
    mesh.embedder.pass_all()
    await revive(mesh.postgres)
    await mesh.is_right(job)


async def test_the_log_may_be_killed_meanwhile(mesh: Mesh) -> None:
    job = await mesh.half_way()
    mesh.nats.kill()
    mesh.embedder.pass_all()
    await revive(mesh.nats)
    await mesh.is_right(job)


async def test_everything_may_be_killed_at_once(mesh: Mesh) -> None:
    job = await mesh.half_way()
    for part in (mesh.workers[0], mesh.server, mesh.nats, mesh.postgres):
        part.kill()
    mesh.embedder.pass_all()
    await asyncio.gather(revive(mesh.nats), revive(mesh.postgres))
    await mesh.workers[0].start()
    await mesh.server.start()
    await until("the server answers", lambda: _created(mesh.client.channel))
    await mesh.is_right(job)
