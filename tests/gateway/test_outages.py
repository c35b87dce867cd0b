"""Parts that are down: what still works, and what callers are told."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import grpc.aio
import pytest
from tests.support.waiting import until_it_succeeds

from weft.common.v1 import chat_pb2, error_pb2
from weft.gateway.v1 import gateway_pb2 as pb
from weft.job.v1 import event_pb2, job_pb2
from weft_gateway.config import Config
from weft_gateway.server import gateway
from weft_kit.joblog import JobLog

Ask = Callable[..., job_pb2.GenerationRequest]
Refused = Callable[[Awaitable[Any]], Awaitable[Any]]
Work = Callable[..., Awaitable[event_pb2.Done]]


@pytest.fixture
def on_a_proxy(config: Config, postgres_proxy: Any) -> Config:
    """Settings of a gateway whose PostgreSQL can be cut off, and whose keys are asked for on every call."""
    return config.model_copy(update={"postgres_url": postgres_proxy[1], "key_fresh_s": 0.001, "read_limit_s": 0.3})


async def test_without_postgres_jobs_are_accepted_streamed_and_read(
    on_a_proxy: Config, postgres_proxy: Any, new_caller: Any, ask: Ask, work: Work, refused: Refused, recorded: Any
) -> None:
    proxy, _ = postgres_proxy
    async with gateway(on_a_proxy) as server:
        caller = await new_caller(server)
        await caller.list()
        await proxy.cut()
        job = await caller.submit(ask())
        await work(job, "still ", "here")
        events = [answer.event async for answer in caller.stream(job.job_id)]
        assert events[-1].done.answer.text == "still here"
        assert (await caller.get(job.job_id)).state == job_pb2.JOB_STATE_SUCCEEDED
        error = await refused(caller.list())
        assert error.status is grpc.StatusCode.UNAVAILABLE
        assert error.metadata == {"dependency": "postgresql"}
        await proxy.mend()
        (found,) = await _insist(recorded, caller)
        assert (found.job_id, found.state) == (job.job_id, job_pb2.JOB_STATE_SUCCEEDED)


async def _insist(recorded: Any, caller: Any) -> list[job_pb2.Job]:
    def is_recorded() -> Awaitable[list[job_pb2.Job]]:
        return recorded(caller, lambda jobs: jobs and jobs[0].state == job_pb2.JOB_STATE_SUCCEEDED)

    return await until_it_succeeds("the record answers", is_recorded, grpc.aio.AioRpcError)


async def test_without_postgres_an_unknown_key_is_neither_good_nor_bad(
    on_a_proxy: Config, postgres_proxy: Any, new_caller: Any, refused: Refused
) -> None:
    proxy, _ = postgres_proxy
    async with gateway(on_a_proxy, ("serve",)) as server:
        caller = await new_caller(server)
        await proxy.cut()
        error = await refused(caller.list())
    assert error.status is grpc.StatusCode.UNAVAILABLE
    assert error.reason == error_pb2.ERROR_REASON_DEPENDENCY_DOWN


async def test_a_gateway_may_start_before_postgres(
    on_a_proxy: Config, postgres_proxy: Any, new_caller: Any, ask: Ask
) -> None:
    proxy, _ = postgres_proxy
    await proxy.cut()
    async with gateway(on_a_proxy.model_copy(update={"read_limit_s": 10.0})) as server:
        await proxy.mend()
        caller = await new_caller(server)
        assert (await caller.submit(ask())).state == job_pb2.JOB_STATE_QUEUED


async def test_without_nats_a_submit_fails_soon_and_says_when_to_come_again(
    config: Config, nats_proxy: Any, new_caller: Any, ask: Ask, refused: Refused
) -> None:
    proxy, url = nats_proxy
    impatient = replace(config.log, accept_timeout_s=1.0)
    async with gateway(config.model_copy(update={"nats_url": url, "log": impatient}), ("serve",)) as server:
        caller = await new_caller(server)
        await caller.submit(ask())
        await proxy.cut()
        began = time.monotonic()
        for call in (caller.submit(ask()), caller.generate(ask()).read()):
            error = await refused(call)
            assert error.status is grpc.StatusCode.UNAVAILABLE
            assert error.metadata == {"dependency": "nats"}
            assert error.retry_after_s is not None
        (result,) = await caller.submit_all(pb.SubmitJobRequest(request=ask()))
        assert result.error.code == grpc.StatusCode.UNAVAILABLE.value[0]
        assert result.error.retry_after.ToTimedelta().total_seconds() == 1.0
        assert time.monotonic() - began < 3 * 1.0 + 2
        await proxy.mend()
        async with asyncio.timeout(20):
            assert (await _accepted(caller, ask())).state == job_pb2.JOB_STATE_QUEUED


async def test_without_nats_every_call_is_answered_within_the_limit_of_one_wait(
    config: Config, nats_proxy: Any, new_caller: Any, ask: Ask, refused: Refused
) -> None:
    """Opening a lane, counting the tenant's jobs and writing the first of them wait for the log one after the other."""
    proxy, url = nats_proxy
    limit_s = 3.0
    impatient = replace(config.log, accept_timeout_s=limit_s)
    async with gateway(config.model_copy(update={"nats_url": url, "log": impatient}), ("serve",)) as server:
        caller = await new_caller(server)
        job = await caller.submit(ask())
        stranger = await new_caller(server)
        await proxy.cut()
        calls = {
            "submit": stranger.submit(ask()),
            "generate": stranger.generate(ask()).read(),
            "get": caller.get(job.job_id),
            "stream": caller.stream(job.job_id).read(),
            "cancel": caller.cancel(job.job_id),
        }
        for name, call in calls.items():
            began = time.monotonic()
            error = await refused(call)
            assert error.status is grpc.StatusCode.UNAVAILABLE, name
            assert error.metadata == {"dependency": "nats"}, name
            assert time.monotonic() - began < 2 * limit_s, name


async def test_without_nats_a_large_batch_waits_once(
    config: Config, nats_proxy: Any, new_caller: Any, ask: Ask
) -> None:
    proxy, url = nats_proxy
    limit_s = 2.0
    impatient = replace(config.log, accept_timeout_s=limit_s)
    async with gateway(config.model_copy(update={"nats_url": url, "log": impatient}), ("serve",)) as server:
        caller = await new_caller(server)
        await proxy.cut()
        began = time.monotonic()
        results = await caller.submit_all(*(pb.SubmitJobRequest(request=ask()) for _ in range(300)))
        took_s = time.monotonic() - began
    assert {result.error.code for result in results} == {grpc.StatusCode.UNAVAILABLE.value[0]}
    assert took_s < 3 * limit_s


async def test_a_stream_of_a_silent_job_says_at_once_that_the_job_is_known(caller: Any, ask: Ask) -> None:
    job = await caller.submit(ask())
    call = caller.stream(job.job_id, job.last_sequence)
    async with asyncio.timeout(20):
        await call.initial_metadata()
    assert not call.done()
    call.cancel()


async def _accepted(caller: Any, request: job_pb2.GenerationRequest) -> job_pb2.Job:
    return await until_it_succeeds("the job is accepted", lambda: caller.submit(request, "again"), grpc.aio.AioRpcError)


async def test_a_cache_that_is_down_is_a_miss(caller: Any, ask: Ask) -> None:
    greedy = chat_pb2.SamplingParams(temperature=0)
    jobs = [await caller.submit(ask(sampling=greedy)) for _ in range(5)]
    with_context = await caller.submit(ask(sampling=greedy, retrieval=job_pb2.RetrievalOptions(collection="docs")))
    assert {job.state for job in (*jobs, with_context)} == {job_pb2.JOB_STATE_QUEUED}


async def test_past_the_logs_retention_a_job_is_read_from_the_record(
    caller: Any, ask: Ask, work: Work, log: JobLog, recorded: Any
) -> None:
    job = await caller.submit(ask())
    await work(job, "long ", "ago")
    live = await caller.get(job.job_id)
    await recorded(caller, bool, states=[job_pb2.JOB_STATE_SUCCEEDED])
    await log.client.jetstream().purge_stream(log.config.stream)
    kept = await caller.get(job.job_id)
    assert kept.answer == live.answer
    assert kept.request == live.request
    assert kept.state == job_pb2.JOB_STATE_SUCCEEDED
    (only,) = [answer.event async for answer in caller.stream(job.job_id)]
    assert only.done.answer.text == "long ago"
    assert [answer async for answer in caller.stream(job.job_id, only.sequence)] == []
    assert (await caller.cancel(job.job_id)).state == job_pb2.JOB_STATE_SUCCEEDED


async def test_a_job_the_log_lost_before_its_end_is_to_be_asked_for_again(
    caller: Any, ask: Ask, log: JobLog, recorded: Any, refused: Refused
) -> None:
    job = await caller.submit(ask())
    await recorded(caller, bool)
    await log.client.jetstream().purge_stream(log.config.stream)
    error = await refused(caller.get(job.job_id))
    assert (error.reason, error.metadata) == (error_pb2.ERROR_REASON_DEPENDENCY_DOWN, {"dependency": "nats"})
    assert "lost this job" in error.message
    assert error.retry_after_s


async def test_what_went_wrong_inside_stays_inside(
    config: Config, new_caller: Any, ask: Ask, log: JobLog, refused: Refused
) -> None:
    async with gateway(config, ("serve",)) as server:
        caller = await new_caller(server)
        # An event no gateway can read: a bug's work, or vandalism.
        job = await caller.submit(ask())
        lane, _, key = job.job_id.partition("-")
        await log.client.jetstream().publish(f"{log.config.prefix}.{lane}.{key}.delta", b"\xff secret \xff")
        error = await refused(caller.get(job.job_id))
    assert error.status is grpc.StatusCode.INTERNAL
    assert error.reason == error_pb2.ERROR_REASON_INTERNAL
    assert "secret" not in error.message
    assert "Error parsing" not in error.message
