"""What `weft status`, `weft models` and `weft providers` say of a mesh that is not as it should be."""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import grpc.aio
import pytest
import pytest_asyncio
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from tests.compose.conftest import Weft
from tests.support.waiting import until

from weft_compose.health import until_serving
from weft_compose.launcher import DEFAULT_CATALOG, Launch, RunningMesh, mesh
from weft_compose.plan import SERVICES, Ports
from weft_compose.state import Mesh, Process, RunningPart, StateFolder
from weft_compose.status import MeshStatus, mesh_status

pytestmark = pytest.mark.asyncio(loop_scope="module")

GOOD = DEFAULT_CATALOG.read_text()
BROKEN = GOOD.replace('{ provider = "local" }', '{ provider = "lokal" }')


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("mesh")
    (folder / "weft.toml").write_text(GOOD)
    return folder


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(folder: Path) -> AsyncIterator[RunningMesh]:
    quick = {"catalog_poll_s": "0.05"}
    settings = {"router": quick, "gateway": quick}
    launch = Launch(
        StateFolder(folder / "state"), Ports.counted_from(0), folder / "weft.toml", engine="echo", settings=settings
    )
    async with mesh(launch, lambda _part, _seconds: None) as running:
        yield running


@pytest.fixture
def weft(folder: Path) -> Weft:
    return Weft(folder / "state")


def write(folder: Path, text: str) -> None:
    (folder / "weft.toml").write_text(text)


async def until_refused(folder: Path, count: int) -> MeshStatus:
    """Waits until router and gateway have this many mistakes to tell of."""

    async def look() -> MeshStatus | None:
        status = await mesh_status(StateFolder(folder / "state"))
        told = [len(part.catalog.problems) for part in status.parts if part.catalog]
        return status if told == [count, count] else None

    return await until("both tell of them", look, within_s=30)


async def test_a_refused_reload_is_shown_wherever_one_looks(running: RunningMesh, folder: Path, weft: Weft):
    write(folder, BROKEN)
    status = await until_refused(folder, 1)
    assert status.healthy

    code, said = await weft.run("status")
    assert code == 0
    for part in ("router", "gateway"):
        assert f"{part}: the catalog has 1 mistake, refused at " in said
    assert f"{folder}/weft.toml:" in said
    assert '"lokal" is not a provider' in said

    for command in ("models", "providers"):
        code, said = await weft.run(command)
        assert code == 0
        assert "✗ the catalog has 1 mistake, refused at " in said
        assert "`weft catalog check FILE`" in said
        assert "lokal" not in said

    write(folder, GOOD)
    await until_refused(folder, 0)
    assert "catalog" not in (await weft.run("status"))[1]
    assert "catalog" not in (await weft.run("models"))[1]


async def test_a_restart_with_a_broken_file_says_that_the_last_good_one_is_in_force(
    running: RunningMesh, folder: Path, weft: Weft
):
    write(folder, BROKEN)
    for name in ("router", "gateway"):
        await running.part(name).kill()
        await running.part(name).start()
    code, said = await weft.run("status")
    assert code == 0
    assert said.count("the last good one is in force until it is corrected") == 2
    code, said = await weft.run("models")
    assert (code, "the last good one is in force" in said) == (0, True)
    write(folder, GOOD)
    await until_refused(folder, 0)


async def until_ready(running: RunningMesh) -> None:
    """Waits until every service has what it needs again."""
    async with asyncio.timeout(30):
        for service in SERVICES:
            await until_serving(running.part(service).address)


@pytest.mark.quiet  # a while after NATS has stopped others are not ready either
async def test_what_is_not_well_is_named_with_how_and_why(running: RunningMesh, weft: Weft):
    running.part("router").pause()
    running.part("nats").pause()
    await running.part("cache").kill()
    code, said = await weft.run("status")
    found = json.loads((await weft.run("status", "--json"))[1])
    running.part("router").resume()
    running.part("nats").resume()
    await running.part("cache").start()

    assert code == 1
    assert "router, paused: it was stopped by SIGSTOP" in said
    assert "cache, ended: " in said
    health = {part["name"]: part["health"] for part in found["parts"] if not part["healthy"]}
    assert health == {"nats": "paused", "router": "paused", "cache": "ended"}
    assert found["healthy"] is False
    await until_ready(running)
    assert (await weft.run("status"))[0] == 0


async def test_a_service_that_answers_and_is_not_ready_is_shown_with_its_complaint(tmp_path: Path):
    log = tmp_path / "retrieval.log"
    log.write_text(json.dumps({"event": "nats lost", "level": "warning", "error": "timeout"}))
    us, state = Process.of(os.getpid()), StateFolder(tmp_path)
    async with unready() as address:
        part = RunningPart("retrieval", address, us, str(log))
        state.write(Mesh("127.0.0.1:9", "token", launcher=us, parts=(part,)))
        code, said = await Weft(tmp_path).run("status")
    assert code == 1
    assert "retrieval, not ready: nats lost: timeout" in said


@asynccontextmanager
async def unready() -> AsyncIterator[str]:
    """A service that lives, and lacks something."""
    server, servicer = grpc.aio.server(), health.aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    await servicer.set("", health_pb2.HealthCheckResponse.NOT_SERVING)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    yield f"127.0.0.1:{port}"
    await server.stop(None)
