"""Jobs that are cancelled or run out of time: stopped down to the provider, with what was said kept."""

import asyncio

from tests.router.desk import Desk, text_of
from tests.router.services import ENGINE_CATALOG, Engine

from weft.common.v1 import error_pb2
from weft.job.v1 import job_pb2
from weft_kit.joblog import text_hash
from weft_mock import MockProvider, Script

SLOW = Script(tokens=500, tokens_per_second=50)


async def test_cancelling_a_running_job_reaches_the_provider_within_250_ms(desk: Desk, mock: MockProvider) -> None:
    mock.play(SLOW)
    async with desk.routing():
        job_id = await desk.submit()
        await desk.first(job_id, "delta")
        asked_at = asyncio.get_running_loop().time()
        await desk.log.request_cancel(job_id, "changed my mind")
        abort = await asyncio.wait_for(mock.next_abort(), 5)
        events = await desk.events(job_id)

    done = events[-1].done
    assert abort.at - asked_at < 0.25
    assert done.state == job_pb2.JOB_STATE_CANCELLED
    assert done.error.reason == error_pb2.ERROR_REASON_CANCELLED
    assert "changed my mind" in done.error.message
    assert done.answer.text == text_of(events) != ""
    assert done.text_hash == text_hash(done.answer.text)
    assert done.attempts[0].error.reason == error_pb2.ERROR_REASON_CANCELLED
    assert await desk.unacknowledged() == 0


async def test_cancelling_reaches_an_engine_that_says_nothing(desk: Desk) -> None:
    engine = Engine("One ")
    engine.hangs = True
    async with engine.running() as target:
        desk.catalog(ENGINE_CATALOG.format(target=target))
        async with desk.routing():
            job_id = await desk.submit()
            await desk.first(job_id, "delta")
            await desk.log.request_cancel(job_id, "")
            async with asyncio.timeout(0.25):
                await engine.aborted.wait()
            done = await desk.done(job_id)

    assert (done.state, done.answer.text) == (job_pb2.JOB_STATE_CANCELLED, "One ")


async def test_a_job_cancelled_while_it_waits_is_never_asked_for(desk: Desk, mock: MockProvider) -> None:
    cancelled, after = await desk.submit(), await desk.submit()
    await desk.log.request_cancel(cancelled, "")
    async with desk.routing(slots=1):
        await desk.done(after)
        done = await desk.done(cancelled)

    assert done.state == job_pb2.JOB_STATE_CANCELLED
    assert mock.stats.requests == 1
    assert await desk.unacknowledged() == 0


async def test_a_job_cancelled_between_two_workers_is_cancelled_by_the_second(desk: Desk, mock: MockProvider) -> None:
    job_id = await desk.submit()
    await desk.begun_and_lost(job_id, "One ")
    await desk.log.request_cancel(job_id, "too late")
    async with desk.routing():
        done = await desk.done(job_id)

    assert (done.state, done.answer.text) == (job_pb2.JOB_STATE_CANCELLED, "One ")
    assert mock.stats.requests == 0


async def test_a_job_that_expired_in_the_queue_is_never_asked_for(desk: Desk, mock: MockProvider) -> None:
    job_id = await desk.submit(lives_s=-1)
    async with desk.routing():
        done = await desk.done(job_id)

    assert done.state == job_pb2.JOB_STATE_EXPIRED
    assert done.error.reason == error_pb2.ERROR_REASON_EXPIRED
    assert not done.attempts
    assert mock.stats.requests == 0


async def test_a_job_that_expires_while_it_runs_is_aborted_and_keeps_its_tokens(desk: Desk, mock: MockProvider) -> None:
    mock.play(SLOW)
    async with desk.routing():
        job_id = await desk.submit(lives_s=0.5)
        await asyncio.wait_for(mock.next_abort(), 5)
        events = await desk.events(job_id)

    done = events[-1].done
    assert done.state == job_pb2.JOB_STATE_EXPIRED
    assert done.answer.text == text_of(events) != ""
    assert done.answer.usage.estimated
