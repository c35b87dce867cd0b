"""Promise 10: jobs wait for a provider that is out, also when the worker is lost that put them to rest."""

import asyncio

import pytest
from tests.durability.environment import Environment
from tests.durability.ledger import said_by_mock, succeeded
from tests.support.waiting import until

from weft.job.v1 import job_pb2
from weft_client.requests import chat
from weft_mock import Script

pytestmark = pytest.mark.asyncio(loop_scope="package")

JOBS = 50
PROBES = 3
TOKENS = 30


async def test_an_outage_and_a_lost_worker_in_it_kill_no_waiting_job(brisk: Environment) -> None:
    mock, lost = brisk.mock, brisk.routers[0]
    mock.play(Script(status=503))
    try:
        async with brisk.client() as weft:
            outcomes = await weft.submit_many([waiting(number) for number in range(JOBS)])
        ids = [job.job_id for job in outcomes if isinstance(job, job_pb2.Job)]
        assert len(ids) == JOBS
        await until("all wait", lambda: asked_no_more(brisk), within_s=30)
        lost.kill()
        asked = mock.stats.requests
        await until("the other one probes", lambda: has_asked(brisk, asked + PROBES), within_s=60)
    finally:
        mock.play(Script())
        await lost.start()

    await asyncio.gather(*(until(job_id, lambda job_id=job_id: is_done(brisk, job_id), 60) for job_id in ids))
    for number, job_id in enumerate(ids):
        await succeeded(brisk, job_id, said_by_mock(question(number), TOKENS))


def waiting(number: int) -> job_pb2.GenerationRequest:
    request = chat(question(number), model="short", timeout_s=600)
    request.priority = job_pb2.PRIORITY_LOW
    return request


def question(number: int) -> str:
    return f"What is {number} times {number}?"


async def asked_no_more(environment: Environment) -> bool:
    """Says whether nobody is asked for a while: breakers are open, but for a probe now and then."""
    before = environment.mock.stats.requests
    await asyncio.sleep(0.5)
    return before > 0 and environment.mock.stats.requests - before <= len(environment.routers)


async def has_asked(environment: Environment, requests: int) -> bool:
    return environment.mock.stats.requests >= requests


async def is_done(environment: Environment, job_id: str) -> bool:
    last = await environment.log.last(job_id)
    return last is not None and last.HasField("done")
