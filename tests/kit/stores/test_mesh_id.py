"""Two meshes on one NATS, PostgreSQL or Redis: each keeps to its own, and one that took the other's name is refused."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from nats.errors import TimeoutError as NatsTimeout
from redis.asyncio import Redis
from tests.support.waiting import until

from weft.job.v1 import event_pb2, job_pb2
from weft_compose.servers import NatsServer, ValkeyServer, serving
from weft_gateway.config import Config as Gateway
from weft_gateway.server import gateway
from weft_kit.joblog import Batches, JobLog, Leases, LogConfig, connect, new_job_id
from weft_kit.joblog.stream.stream import ensure_stream
from weft_kit.mesh_id import DEFAULT_MESH_ID, OtherMesh
from weft_kit.stores.ownership import claim_redis
from weft_retrieval.config import Config as Retrieval
from weft_retrieval.server import retrieval
from weft_router.config import Config as Router
from weft_router.server import router

SHAPE = LogConfig(max_bytes=64 * 1024**2)
CATALOG = """
[providers.engine]
kind = "inference"
target = "127.0.0.1:1"

[models.chat]
routes = [{ provider = "engine", model = "any" }]
"""


@pytest.fixture
async def nats_url(tmp_path: Path) -> AsyncIterator[str]:
    """A NATS of the test's own: the names of streams without an id are the same for all tests."""
    with serving(lambda port: NatsServer(tmp_path / "nats", port)) as server:
        yield server.url


@asynccontextmanager
async def log_of(url: str, mesh_id: str, database: str = "") -> AsyncIterator[JobLog]:
    async with connect(url, "test") as client:
        log = JobLog(client, SHAPE.of_mesh(mesh_id))
        async with log.watched():
            if database:
                await log.claim(database)
            yield log


async def accepted(log: JobLog, tenant: str) -> str:
    job_id = new_job_id(tenant, job_pb2.PRIORITY_NORMAL)
    await log.accept(job_id, event_pb2.Accepted(tenant=tenant))
    return job_id


async def events(log: JobLog, name: str, count: int) -> list[str]:
    """Reads as a recorder does, with the name that it has in every mesh."""
    found: list[str] = []
    async for batch in Batches(log, consumer=name, kinds=("accepted",), max_wait_s=0):
        found += [event.job_id for event in batch.events]
        await batch.ack()
        if len(found) >= count:
            break
    return found


async def test_two_meshes_on_one_nats_see_nothing_of_each_others_jobs(nats_url: str) -> None:
    async with AsyncExitStack() as stack:
        logs = [await stack.enter_async_context(log_of(nats_url, name)) for name in ("one", "two", DEFAULT_MESH_ID)]
        jobs = [await accepted(log, "acme") for log in logs]
        for log, job in zip(logs, jobs, strict=True):
            assert [found async for found in log.jobs("acme")] == [job]
            assert [event.job_id for event in await log.events(job)] == [job]
            assert await log.lanes.names() == ["n" + job[1:9]]
            assert await events(log, "recorder", 1) == [job]
            for other in set(jobs) - {job}:
                assert await log.last(other) is None
            async with Leases(log, slots=4).leases() as leases:
                lease = await anext(leases)
                assert lease.job_id == job
                await lease.ack()
            assert (await log.depth("acme")).unfinished == 0


async def test_signals_of_one_mesh_do_not_reach_another(nats_url: str) -> None:
    async with log_of(nats_url, "one") as one, log_of(nats_url, "two") as two:
        job_id = new_job_id("acme", job_pb2.PRIORITY_NORMAL, "the same in both")
        for log in (one, two):
            event = await log.accept(job_id, event_pb2.Accepted(tenant="acme"))
            await log.writer(job_id, event.sequence).append(event_pb2.Started(attempt=1))
        async with two.cancel_signals() as heard_by_two, one.cancel_signals() as heard_by_one:
            await one.request_cancel(job_id, "stop")
            assert await anext(heard_by_one) == job_id
            await two.request_cancel(job_id, "stop")
            assert await anext(heard_by_two) == job_id
        assert len(await one.events(job_id)) == len(await two.events(job_id)) == 3


async def test_a_mesh_with_anothers_id_and_a_database_of_its_own_is_refused(nats_url: str) -> None:
    async with log_of(nats_url, "one", "database-of-one") as log:
        job = await accepted(log, "acme")
        with pytest.raises(OtherMesh, match="called one, too: it has another database"):
            async with log_of(nats_url, "one", "another database"):
                pass
        async with log_of(nats_url, "one", "database-of-one") as replica:
            assert [found async for found in replica.jobs("acme")] == [job]


async def test_a_stream_of_another_mesh_is_refused_whatever_names_are_configured(nats_url: str) -> None:
    taken = SHAPE.of_mesh("one")
    forged = LogConfig(stream=taken.stream, prefix=taken.prefix, live_prefix=taken.live_prefix, mesh_id="two")
    async with log_of(nats_url, "one"), connect(nats_url, "test") as client:
        with pytest.raises(OtherMesh, match="JOBS-one in NATS belongs to the mesh one, and this service"):
            await ensure_stream(client.jetstream(), forged)


async def test_a_stream_from_before_there_were_ids_is_taken_with_its_jobs(nats_url: str) -> None:
    async with connect(nats_url, "test") as client:
        log = JobLog(client, SHAPE)
        await log.ensure()
        job = await accepted(log, "acme")
        jetstream = client.jetstream()
        earlier = (await jetstream.stream_info("JOBS")).config
        await jetstream.update_stream(earlier.evolve(metadata={}))
    async with log_of(nats_url, DEFAULT_MESH_ID, "database") as log:
        assert [found async for found in log.jobs("acme")] == [job]
        metadata = (await log.client.jetstream().stream_info("JOBS")).config.metadata
        assert (metadata["weft-mesh"], metadata["weft-database"]) == (DEFAULT_MESH_ID, "database")


async def test_a_stream_made_again_after_a_loss_is_claimed_again(nats_url: str) -> None:
    async with log_of(nats_url, "one", "database") as log, log_of(nats_url, "one"):
        jetstream = log.client.jetstream()
        await jetstream.delete_stream("JOBS-one")
        await until("it is claimed", lambda: is_claimed(log), within_s=20)


async def test_a_log_that_does_not_answer_at_once_is_claimed_once_it_does(
    nats_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    late = [NatsTimeout(), NatsTimeout()]

    async def ensure(*arguments: Any) -> Any:
        if late:
            raise late.pop()
        return await ensure_stream(*arguments)

    async with log_of(nats_url, "one") as log:
        monkeypatch.setattr("weft_kit.joblog.stream.monitor.ensure_stream", ensure)
        await log.claim("database")
        assert not late
        assert await is_claimed(log)


async def is_claimed(log: JobLog) -> bool:
    names = await log.client.jetstream().streams_info()
    return any((info.config.metadata or {}).get("weft-database") == "database" for info in names)


async def test_a_redis_of_another_mesh_is_refused(tmp_path: Path) -> None:
    with serving(lambda port: ValkeyServer(tmp_path / "valkey", port)) as server:
        async with Redis.from_url(server.url) as redis:
            await claim_redis(redis, "one")
            await claim_redis(redis, "one")
            with pytest.raises(OtherMesh, match="this Redis belongs to the mesh one"):
                await claim_redis(redis, "two")


async def test_a_redis_that_is_away_is_not_judged(unused_tcp_port: int) -> None:
    async with Redis.from_url(f"redis://127.0.0.1:{unused_tcp_port}") as redis:
        await claim_redis(redis, "one")


@pytest.fixture
def catalog(tmp_path: Path) -> Path:
    file = tmp_path / "weft.toml"
    file.write_text(CATALOG)
    return file


def gateway_config(nats_url: str, postgres_url: str, redis_url: str, catalog: Path, mesh_id: str) -> Gateway:
    return Gateway(
        listen="127.0.0.1:0",
        nats_url=nats_url,
        postgres_url=postgres_url,
        redis_url=redis_url,
        catalog_file=catalog,
        log=SHAPE,
        mesh_id=mesh_id,
    )


async def test_a_gateway_does_not_start_on_what_is_another_meshs(
    nats_url: str, postgres_url: str, redis_url: str, catalog: Path, unused_tcp_port: int, second_database: str
) -> None:
    nowhere = f"redis://127.0.0.1:{unused_tcp_port}"
    async with gateway(gateway_config(nats_url, postgres_url, nowhere, catalog, "one")):
        with pytest.raises(OtherMesh, match="this PostgreSQL database belongs to the mesh one"):
            async with gateway(gateway_config(nats_url, postgres_url, nowhere, catalog, "two")):
                pass
        with pytest.raises(OtherMesh, match="the stream JOBS-one in NATS belongs to another mesh"):
            async with gateway(gateway_config(nats_url, second_database, nowhere, catalog, "one")):
                pass
        async with gateway(gateway_config(nats_url, postgres_url, nowhere, catalog, "one")):
            pass
    async with Redis.from_url(redis_url) as redis:
        await claim_redis(redis, DEFAULT_MESH_ID)
    with pytest.raises(OtherMesh, match="this Redis belongs to the mesh weft"):
        async with gateway(gateway_config(nats_url, postgres_url, redis_url, catalog, "one")):
            pass


async def test_a_retrieval_service_does_not_start_on_what_is_another_meshs(
    nats_url: str, postgres_url: str, second_database: str
) -> None:
    def config(url: str, mesh_id: str) -> Retrieval:
        return Retrieval(listen="127.0.0.1:0", nats_url=nats_url, postgres_url=url, mesh_id=mesh_id)

    async with retrieval(config(postgres_url, "one")):
        with pytest.raises(OtherMesh, match="this PostgreSQL database belongs to the mesh one"):
            async with retrieval(config(postgres_url, "two")):
                pass
        with pytest.raises(OtherMesh, match="the stream INGESTS-one in NATS belongs to another mesh"):
            async with retrieval(config(second_database, "one")):
                pass


async def test_a_router_does_not_start_on_a_stream_that_says_another_mesh(
    nats_url: str, catalog: Path, unused_tcp_port: int
) -> None:
    async with log_of(nats_url, "one"):
        names = SHAPE.of_mesh("one")
        config = Router(
            listen="127.0.0.1:0",
            nats_url=nats_url,
            redis_url=f"redis://127.0.0.1:{unused_tcp_port}",
            catalog_file=catalog,
            log=LogConfig(stream=names.stream, prefix=names.prefix, live_prefix=names.live_prefix),
        )
        with pytest.raises(OtherMesh, match="belongs to the mesh one"):
            async with router(config):
                pass


@pytest.fixture
def second_database(postgres_server, superuser_url: str) -> AsyncIterator[str]:
    database = f"second_{uuid4().hex}"
    postgres_server.create_database(database)
    yield postgres_server.database_url(database)
    with psycopg.connect(superuser_url, autocommit=True) as session:
        session.execute(f"DROP DATABASE {database} WITH (FORCE)")


@pytest.mark.parametrize("wrong", ["", "Mesh", "a.b", "a b", "x" * 33, "a>", "*"])
def test_an_id_that_no_subject_could_hold_is_refused(wrong: str) -> None:
    assert [problem.partition(":")[0] for problem in Gateway.problems({"WEFT_MESH_ID": wrong})] == ["WEFT_MESH_ID"]


def test_an_id_is_one_setting_for_all_services() -> None:
    for settings in (Gateway, Router, Retrieval):
        assert "WEFT_MESH_ID" in settings.variables()
        assert settings.problems({"WEFT_MESH_ID": "mesh-1"}) == []
