"""Waiting for a job's end in one call."""

import asyncio
import time
from datetime import timedelta
from typing import Any

import pytest
from tests.gateway.conftest import Ask, Refused, Work

from weft.job.v1 import event_pb2, job_pb2
from weft_gateway.config import Config
from weft_gateway.jobs.long_polls import LongPolls
from weft_gateway.server import gateway
from weft_kit.joblog import JobLog
from weft_kit.rpc.server import Server

LONG = timedelta(seconds=60)


async def test_a_wait_ends_with_the_job_and_brings_its_answer(caller: Any, ask: Ask, work: Work) -> None:
    job = await caller.submit(ask())
    waiting = [asyncio.create_task(caller.get(job.job_id, wait=LONG)) for _ in range(5)]
    await work(job, "the ", "answer")
    found = await asyncio.gather(*waiting)
    assert found == [await caller.get(job.job_id)] * 5
    assert found[0].answer.text == "the answer"


async def test_a_wait_through_another_replica_ends_with_the_job(
    config: Config, server: Server, new_caller: Any, ask: Ask, work: Work
) -> None:
    async with gateway(config, ("serve",)) as other:
        one = await new_caller(server)
        two = await new_caller(other, tenant=one.key.tenant)
        job = await one.submit(ask())
        waiting = asyncio.create_task(two.get(job.job_id, wait=LONG))
        await work(job, "answer")
        assert (await waiting).state == job_pb2.JOB_STATE_SUCCEEDED


async def test_a_wait_for_a_finished_job_is_none(caller: Any, ask: Ask, work: Work) -> None:
    job = await caller.submit(ask())
    await work(job, "answer")
    async with asyncio.timeout(20):
        assert (await caller.get(job.job_id, wait=LONG)).answer.text == "answer"


async def test_a_wait_that_is_over_brings_the_job_as_it_is(caller: Any, ask: Ask, log: JobLog) -> None:
    job = await caller.submit(ask())
    writer = log.writer(job.job_id, job.last_sequence)
    waiting = asyncio.create_task(caller.get(job.job_id, wait=timedelta(seconds=0.5)))
    await writer.append(event_pb2.Started(attempt=1, provider="local"))
    await writer.append(event_pb2.Delta(text="so far", token_count=2))
    found = await waiting
    assert (found.state, found.answer.text) == (job_pb2.JOB_STATE_RUNNING, "so far")


async def test_a_wait_ends_before_the_callers_own_time_does(caller: Any, ask: Ask) -> None:
    job = await caller.submit(ask())
    found = await caller.get(job.job_id, wait=LONG, limit_s=1.0)
    assert found.state == job_pb2.JOB_STATE_QUEUED


@pytest.mark.parametrize("wait", [timedelta(seconds=-1), timedelta(seconds=61)])
async def test_a_wait_has_a_range(caller: Any, ask: Ask, refused: Refused, wait: timedelta) -> None:
    job = await caller.submit(ask())
    assert (await refused(caller.get(job.job_id, wait=wait))).violations.keys() == {"wait"}


async def test_a_gateway_that_shuts_down_lets_nobody_wait(config: Config, new_caller: Any, ask: Ask) -> None:
    async with gateway(config.model_copy(update={"grace_s": 20.0}), ("serve",)) as server:
        caller = await new_caller(server)
        job = await caller.submit(ask())
        waiting = asyncio.create_task(caller.get(job.job_id, wait=LONG))
        # The second call is answered after the first one has begun to wait.
        await caller.get(job.job_id, wait=timedelta(milliseconds=50))
        began = time.monotonic()
    assert (await waiting).state == job_pb2.JOB_STATE_QUEUED
    assert time.monotonic() - began < 10


async def test_a_wait_that_fails_inside_is_no_wait_that_is_over() -> None:
    with pytest.raises(TimeoutError):
        async with LongPolls().at_most(60):
            raise TimeoutError


async def test_once_waits_have_ended_none_begins() -> None:
    waits = LongPolls()
    waits.end()
    async with asyncio.timeout(20), waits.at_most(60):
        await asyncio.Event().wait()
