"""NATS comes back with an empty store; a router's clock is an hour ahead: what was accepted ends, and work goes on."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from shutil import rmtree

import pytest
import pytest_asyncio
from tests.durability.environment import TENANT, Environment, Plan, environment, revive
from tests.durability.gateway_client import GatewayClient, first, gateway_client
from tests.durability.ledger import said_by_mock
from tests.durability.processes import Service
from tests.support.waiting import until

from weft.common.v1 import error_pb2
from weft.job.v1 import job_pb2
from weft_client.requests import chat
from weft_compose import health
from weft_kit.joblog import LogConfig
from weft_kit.rpc.errors import WeftError

pytestmark = pytest.mark.asyncio(loop_scope="package")

AWAY_S = 10.0
# It would be hundreds if every try were told of.
MOST_LINES = 10
LOG = LogConfig(ack_wait_s=1.5, accept_timeout_s=10.0, max_bytes=64 * 1024**2)


@pytest_asyncio.fixture(loop_scope="package")
async def small(tmp_path: Path) -> AsyncIterator[Environment]:
    """An environment with one of each, which a test may wreck."""
    async with environment(Plan(tmp_path, LOG, gateways=1, routers=1, engines=1)) as built:
        yield built


async def test_after_the_loss_of_its_store_the_mesh_works_and_what_was_lost_ends(small: Environment) -> None:
    async with gateway_client(small, small.gateways[0]) as acme:
        before = await acme.submit(chat("Before", model="short"))
        await first(acme.stream(before.job_id), "done")
        lost = await acme.submit(chat("Lost", model="endless"))
        await first(acme.stream(lost.job_id), "delta")
        await until("both are in the record", lambda: _states(acme, 2))

        small.nats.kill()
        rmtree(small.nats.folder)
        await revive(small.nats)

        job = await acme.submit(chat("After", model="short"))
        done = await first(acme.stream(job.job_id), "done")
        assert done.done.answer.text == said_by_mock("After", 30)
        await until("the lost job has an end", lambda: _can_be_read(acme, lost.job_id))
        end = await first(acme.stream(lost.job_id), "done")
        assert (end.done.state, end.done.error.reason) == (
            job_pb2.JOB_STATE_FAILED,
            error_pb2.ERROR_REASON_LOG_LOST,
        )
        assert (await acme.get(before.job_id)).state == job_pb2.JOB_STATE_SUCCEEDED
        listed = await until("the record knows of all ends", lambda: _ended(acme, 3))
        assert listed == {
            before.job_id: job_pb2.JOB_STATE_SUCCEEDED,
            lost.job_id: job_pb2.JOB_STATE_FAILED,
            job.job_id: job_pb2.JOB_STATE_SUCCEEDED,
        }
    assert all(service.is_running for service in small.services)


async def test_a_router_an_hour_ahead_takes_no_jobs_and_says_so(small: Environment) -> None:
    (right,) = small.routers
    wrong = replace(right, argv=["tests.durability.an_hour_ahead", *right.argv], child=None)
    async with gateway_client(small, small.gateways[0]) as acme:
        right.kill()
        wrong.spawn()
        try:
            job = await acme.submit(chat("Not expired", model="short"))
            await until("it says so", lambda: _says(wrong, "s ahead of nats-server's"))
            assert not await health.is_serving(wrong.address)
            assert (await acme.get(job.job_id)).state == job_pb2.JOB_STATE_QUEUED
            assert (await small.log.depth(TENANT)).in_flight == 0
        finally:
            wrong.kill()
        await right.start()
        done = await first(acme.stream(job.job_id), "done")
    assert done.done.answer.text == said_by_mock("Not expired", 30)


async def test_while_all_stores_are_away_each_service_says_so_in_a_few_lines(small: Environment) -> None:
    before = {service.name: _lines(service) for service in small.services}
    for store in (small.nats, small.postgres, small.valkey):
        await asyncio.to_thread(store.stop)
    await asyncio.sleep(AWAY_S)
    said = {service.name: _lines(service)[len(before[service.name]) :] for service in small.services}
    assert [len(lines) for lines in said.values() if len(lines) > MOST_LINES] == [], said
    for name in ("gateway-0", "router-0", "recorder"):
        assert sum('"event": "nats lost"' in line for line in said[name]) == 1
        assert sum('"event": "not ready"' in line and '"dependency": "nats"' in line for line in said[name]) == 1
    await small.mend()
    async with gateway_client(small, small.gateways[0]) as acme:
        job = await acme.submit(chat("After all that", model="short"))
        await first(acme.stream(job.job_id), "done")


def _lines(service: Service) -> list[str]:
    return service.log.read_text().splitlines()


async def _can_be_read(acme: GatewayClient, job_id: str) -> bool:
    try:
        return bool(await acme.get(job_id))
    except WeftError as error:
        if "lost this job" in error.message:
            return False
        raise


async def _says(service: Service, words: str) -> bool:
    return words in service.log.read_text()


async def _states(acme: GatewayClient, count: int) -> dict[str, int]:
    jobs = (await acme.list()).jobs
    return {job.job_id: job.state for job in jobs} if len(jobs) == count else {}


async def _ended(acme: GatewayClient, count: int) -> dict[str, int]:
    states = await _states(acme, count)
    return states if all(state >= job_pb2.JOB_STATE_SUCCEEDED for state in states.values()) else {}
