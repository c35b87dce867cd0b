"""Promise 8: PostgreSQL down costs nothing but the record's freshness, Redis down nothing, NATS down a wait.

Rate limits without Redis, local or closed, and caches that miss: tests/gateway/auth/test_rate_limits.py,
tests/gateway/test_outages.py, tests/cache/store/test_redis_away.py. A blip of the log under a router, in all its
lengths: tests/router/worker/test_log_outages.py.
"""

import asyncio
import time

import grpc
import pytest
from tests.durability.environment import Environment, revive
from tests.durability.gateway_client import first, gateway_client
from tests.durability.ledger import said_by_mock, succeeded
from tests.durability.nats_proxy import Moment, NatsProxy, Trap

from weft.common.v1 import error_pb2
from weft.job.v1 import job_pb2
from weft_client.generation import Generation
from weft_client.requests import chat
from weft_kit.rpc.errors import WeftError

pytestmark = pytest.mark.asyncio(loop_scope="package")

# A lease lasts 7.5 s, for 1.5 of which the worker was silent; it may pause for another second before it connects again,
# and a busy machine takes its time.
BLIP_S = 4.0
SLOW_TOKENS = 90


async def test_without_postgresql_jobs_are_submitted_streamed_and_read_and_recorded_later(brisk: Environment) -> None:
    prompts = [f"Without a record {number}" for number in range(20)]
    async with gateway_client(brisk, brisk.gateways[0]) as one, gateway_client(brisk, brisk.gateways[1]) as two:
        running = await one.submit(chat("Before and after", model="slow"))
        brisk.postgres.kill()
        jobs = [await one.submit(chat(prompt, model="short")) for prompt in prompts]
        streamed = [await first(two.stream(job.job_id), "done") for job in jobs]
        read = [await two.get(job.job_id) for job in jobs]
        with pytest.raises(WeftError) as refused:
            await one.list()
        await revive(brisk.postgres)

        assert refused.value.status is grpc.StatusCode.UNAVAILABLE
        for prompt, done, job in zip(prompts, streamed, read, strict=True):
            assert done.done.answer.text == job.answer.text == said_by_mock(prompt, 30)
        for prompt, job in zip(prompts, jobs, strict=True):
            await succeeded(brisk, job.job_id, said_by_mock(prompt, 30))
        await succeeded(brisk, running.job_id, said_by_mock("Before and after", SLOW_TOKENS))
        listed = {job.job_id for job in (await two.list()).jobs}
        assert listed >= {job.job_id for job in jobs}


async def test_without_redis_calls_pass(brisk: Environment) -> None:
    brisk.valkey.kill()
    async with gateway_client(brisk, brisk.gateways[0]) as acme:
        began = time.monotonic()
        job = await acme.submit(chat("Uncounted elsewhere", model="short"))
        took_s = time.monotonic() - began
        done = await first(acme.stream(job.job_id), "done")
    await brisk.mend()

    assert done.done.state == job_pb2.JOB_STATE_SUCCEEDED
    assert took_s < 1
    await succeeded(brisk, job.job_id, said_by_mock("Uncounted elsewhere", 30))


async def test_without_the_log_a_submit_is_refused_with_a_wait(brisk: Environment) -> None:
    brisk.nats.kill()
    async with gateway_client(brisk, brisk.gateways[0]) as acme:
        with pytest.raises(WeftError) as refused:
            await acme.submit(chat("Nowhere to go", model="short"))
        await revive(brisk.nats)
        async with brisk.client() as weft:
            job = await weft.submit(chat("Somewhere again", model="short"))

    assert refused.value.status is grpc.StatusCode.UNAVAILABLE
    assert refused.value.reason == error_pb2.ERROR_REASON_DEPENDENCY_DOWN
    assert refused.value.retry_after_s
    await succeeded(brisk, job.job_id, said_by_mock("Somewhere again", 30))


async def test_a_providers_stream_outlives_a_blip_of_the_log(default_environment: Environment) -> None:
    """The worst of blips: it comes when the worker was silent longest, and another one waits for its jobs."""
    environment = default_environment
    await environment.mend()
    before = environment.mock.stats.requests

    async def kill(_: NatsProxy) -> None:
        environment.nats.kill()

    async with environment.client() as weft:
        generation = weft.generate("Hold the line", model="slow")
        with environment.armed(environment.routers, Trap("alive", Moment.BEFORE, kill)) as trap:
            reading = asyncio.create_task(read(generation))
            await asyncio.wait_for(trap.sprung.wait(), 20)
        # The blip itself: nothing announces its end but us.
        await asyncio.sleep(BLIP_S)
        await revive(environment.nats)
        text = await asyncio.wait_for(reading, 20)

    found = await succeeded(environment, generation.job_id, said_by_mock("Hold the line", SLOW_TOKENS))
    assert text == found.done.answer.text
    assert environment.mock.stats.requests == before + 1
    assert len(found.starts()) == 1


async def read(generation: Generation) -> str:
    async for _ in generation:
        pass
    return generation.text
