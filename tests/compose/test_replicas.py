"""A mesh with two of every service on three nats-servers."""

import asyncio
import stat
from collections.abc import AsyncIterator

import nats
import pytest
import pytest_asyncio

from weft.job.v1 import job_pb2
from weft_client.client import WeftClient
from weft_client.requests import chat
from weft_compose.launcher import DEFAULT_CATALOG, Launch, RunningMesh, mesh
from weft_compose.plan import SERVICES, Ports
from weft_compose.state import StateFolder
from weft_compose.status import mesh_status
from weft_kit.joblog import LogConfig

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def state(tmp_path_factory: pytest.TempPathFactory) -> StateFolder:
    return StateFolder(tmp_path_factory.mktemp("mesh") / "state")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(state: StateFolder) -> AsyncIterator[RunningMesh]:
    launch = Launch(
        state,
        Ports.counted_from(0),
        DEFAULT_CATALOG,
        engine="echo",
        replicas={**dict.fromkeys(SERVICES, 2), "nats": 3},
        log=LogConfig(replicas=3),
    )
    async with mesh(launch, lambda _part, _seconds: None) as running:
        yield running


async def test_every_part_is_up_and_has_a_name_of_its_own(running: RunningMesh, state: StateFolder):
    status = await mesh_status(state)
    assert status.healthy
    replicas = {name for service in SERVICES for name in (service, f"{service}-2")}
    assert {part.name for part in status.parts} == {"nats", "nats-2", "nats-3", "postgres", "valkey", *replicas}
    assert {part.name for part in running.parts} == {part.name for part in status.parts}


async def test_the_record_names_every_gateway_and_keeps_the_secrets_from_others(
    running: RunningMesh, state: StateFolder
):
    record = state.read()
    assert record == running.record
    assert record.endpoints == (running.part("gateway").address, running.part("gateway-2").address)
    assert record.endpoint == record.endpoints[0]
    assert len(record.webhook_signing_key) >= 32
    assert stat.S_IMODE((state.root / "mesh.json").stat().st_mode) == 0o600


async def test_a_job_asked_of_one_gateway_is_known_to_the_other(running: RunningMesh):
    first, second = running.record.endpoints
    async with WeftClient(first, running.record.api_key) as weft:
        job = await weft.submit(chat("Who is there?", max_tokens=8))
    async with WeftClient(second, running.record.api_key) as weft:
        async for _ in weft.follow(job.job_id):
            pass
        assert (await weft.job(job.job_id)).state == job_pb2.JOB_STATE_SUCCEEDED


async def test_jobs_succeed_with_the_first_of_every_service_but_the_gateway_dead(running: RunningMesh):
    dead = [running.part(service) for service in SERVICES if service != "gateway"]
    await asyncio.gather(*(part.kill() for part in dead))
    async with WeftClient(running.record.endpoint, running.record.api_key) as weft:
        generation = weft.run(chat("Who is left?", max_tokens=8))
        async for _ in generation:
            pass
        assert (await weft.job(generation.job_id)).state == job_pb2.JOB_STATE_SUCCEEDED
    await asyncio.gather(*(part.start() for part in dead))


async def test_the_log_is_on_three_servers_and_its_leader_is_a_part(running: RunningMesh):
    client = await nats.connect(running.urls.nats.split(","))
    info = await client.jetstream().stream_info(f"JOBS-{running.record.mesh_id}")
    await client.close()
    assert info.config.num_replicas == 3
    leader = running.part(info.cluster.leader)
    assert leader in (running.part("nats"), running.part("nats-2"), running.part("nats-3"))
