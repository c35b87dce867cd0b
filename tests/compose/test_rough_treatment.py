"""A running mesh whose parts are killed, frozen, stopped and started again."""

import asyncio
import signal
from collections.abc import AsyncIterator

import psycopg
import pytest
import pytest_asyncio
from tests.support.waiting import until

from weft.job.v1 import job_pb2
from weft_client.client import WeftClient
from weft_client.requests import chat
from weft_compose import health
from weft_compose.errors import PartFailed
from weft_compose.launcher import DEFAULT_CATALOG, Launch, RunningMesh, mesh
from weft_compose.plan import Ports
from weft_compose.state import StateFolder
from weft_compose.status import mesh_status

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def state(tmp_path_factory: pytest.TempPathFactory) -> StateFolder:
    return StateFolder(tmp_path_factory.mktemp("mesh") / "state")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(state: StateFolder) -> AsyncIterator[RunningMesh]:
    launch = Launch(state, Ports.counted_from(0), DEFAULT_CATALOG, engine="echo", replicas={"gateway": 2})
    async with mesh(launch, lambda _part, _seconds: None) as running:
        yield running


async def a_job_succeeds(running: RunningMesh) -> bool:
    async with WeftClient(running.record.endpoint, running.record.api_key) as weft:
        generation = weft.run(chat("Still there?", max_tokens=8))
        async for _ in generation:
            pass
        return (await weft.job(generation.job_id)).state == job_pb2.JOB_STATE_SUCCEEDED


async def is_healthy(state: StateFolder) -> bool:
    return (await mesh_status(state)).healthy


@pytest.mark.parametrize("name", ["nats", "postgres", "valkey", "router", "gateway"])
async def test_a_killed_part_starts_again_where_it_was(running: RunningMesh, state: StateFolder, name: str):
    part = running.part(name)
    before = part.child.pid
    await part.kill()
    assert part.child.exit_code == -signal.SIGKILL
    assert part.running() is None

    await part.start()
    assert part.child.pid != before
    assert {p.name: p.process.pid for p in state.read().parts}[name] == part.child.pid
    assert await until("all that need it are ready again", lambda: is_healthy(state))
    assert await a_job_succeeds(running)


async def test_postgres_keeps_what_was_committed_however_often_it_is_killed_in_use(running: RunningMesh):
    part = running.part("postgres")
    async with await psycopg.AsyncConnection.connect(running.urls.postgres) as session:
        await session.execute("CREATE TABLE kept (kill int)")
    for kill in range(4):
        session = await psycopg.AsyncConnection.connect(running.urls.postgres, autocommit=True)
        await session.execute("INSERT INTO kept VALUES (%s)", (kill,))
        # A session that computes would not notice that its server is gone.
        busy = asyncio.create_task(session.execute("SELECT count(*) FROM generate_series(1, 1e12)"))
        await part.kill()
        with pytest.raises(psycopg.OperationalError):
            await busy
        await part.start()
    async with await psycopg.AsyncConnection.connect(running.urls.postgres) as session:
        rows = await (await session.execute("SELECT kill FROM kept ORDER BY kill")).fetchall()
    assert rows == [(0,), (1,), (2,), (3,)]


async def test_a_paused_part_hangs_until_it_goes_on(running: RunningMesh):
    part = running.part("gateway-2")
    part.pause()
    assert not await health.is_serving(part.address)
    part.resume()
    assert await health.is_serving(part.address)


async def test_pausing_postgres_freezes_open_sessions_too(running: RunningMesh):
    part = running.part("postgres")
    async with await psycopg.AsyncConnection.connect(running.urls.postgres) as session:
        await session.execute("SELECT 1")
        part.pause()
        answer = asyncio.create_task(session.execute("SELECT 2"))
        done, _ = await asyncio.wait([answer], timeout=0.3)
        assert not done
        part.resume()
        assert await (await answer).fetchone() == (2,)


async def test_a_part_is_stopped_in_order_even_when_it_is_paused(running: RunningMesh):
    part = running.part("gateway-2")
    part.pause()
    await part.stop(15)
    assert part.child.exit_code == 0
    await part.start()
    assert await health.is_serving(part.address)


async def test_the_log_of_a_part_goes_on_where_it_ended(running: RunningMesh):
    part = running.part("router")
    await part.stop(15)
    before = part.log.read_bytes()
    await part.start()
    after = part.log.read_bytes()
    assert after.startswith(before)
    assert len(after) > len(before)


async def test_starting_a_part_that_runs_changes_nothing(running: RunningMesh):
    part = running.part("cache")
    before = part.child.pid
    await part.start()
    assert part.child.pid == before


async def test_status_shows_a_part_that_is_dead(running: RunningMesh, state: StateFolder):
    part = running.part("cache")
    await part.kill()
    status = await mesh_status(state)
    assert [each.name for each in status.parts if not each.healthy] == ["cache"]
    with pytest.raises(PartFailed, match="cache was killed by SIGKILL"):
        await running.until_broken()
    await part.start()
