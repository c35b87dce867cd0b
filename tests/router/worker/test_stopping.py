"""Jobs that are cancelled or run out of time: stopped down to the provider, with what was said kept."""

import asyncio

import pytest
from tests.router.harness import OPENS_AT_ONCE, Harness, asking, overloads
from tests.router.services import ENGINE_CATALOG, Engine, Library
from tests.support.transcript import text_of

from weft.common.v1 import error_pb2
from weft.job.v1 import event_pb2, job_pb2
from weft_kit.joblog import text_hash
from weft_mock import Fault, MockProvider, Script

SLOW = Script(tokens=500, tokens_per_second=50)
AWAY = Script(status=429, retry_after="20")
GROUNDED = asking(retrieval=job_pb2.RetrievalOptions(collection="guide"))
SOON_S = 0.25


def late_s(events: list[event_pb2.JobEvent]) -> float:
    """How long after its expiry a job was EXPIRED, in seconds."""
    accepted, done = events[0].accepted, events[-1]
    assert done.done.state == job_pb2.JOB_STATE_EXPIRED
    return (done.time.ToNanoseconds() - accepted.expire_time.ToNanoseconds()) / 1e9


async def test_cancelling_a_running_job_reaches_the_provider_within_250_ms(
    harness: Harness, mock: MockProvider
) -> None:
    mock.play(SLOW)
    async with harness.routing():
        job_id = await harness.submit()
        await harness.first(job_id, "delta")
        asked_at = asyncio.get_running_loop().time()
        await harness.log.request_cancel(job_id, "changed my mind")
        abort = await asyncio.wait_for(mock.next_abort(), 20)
        events = await harness.events(job_id)

    done = events[-1].done
    assert abort.at - asked_at < SOON_S
    assert done.state == job_pb2.JOB_STATE_CANCELLED
    assert done.error.reason == error_pb2.ERROR_REASON_CANCELLED
    assert "changed my mind" in done.error.message
    assert done.answer.text == text_of(events) != ""
    assert done.text_hash == text_hash(done.answer.text)
    assert done.attempts[0].error.reason == error_pb2.ERROR_REASON_CANCELLED
    assert await harness.unacknowledged() == 0


async def test_cancelling_reaches_an_engine_that_says_nothing(harness: Harness) -> None:
    engine = Engine("One ")
    engine.hangs = True
    async with engine.running() as target:
        harness.catalog(ENGINE_CATALOG.format(target=target))
        async with harness.routing():
            job_id = await harness.submit()
            await harness.first(job_id, "delta")
            await harness.log.request_cancel(job_id, "")
            async with asyncio.timeout(SOON_S):
                await engine.aborted.wait()
            done = await harness.done(job_id)

    assert (done.state, done.answer.text) == (job_pb2.JOB_STATE_CANCELLED, "One ")


@pytest.mark.parametrize("fault", [Fault.HANG_BEFORE_HEADERS, Fault.HANG_AFTER_HEADERS])
async def test_cancelling_reaches_a_provider_that_has_not_said_anything(
    harness: Harness, mock: MockProvider, fault: Fault
) -> None:
    mock.play(Script(fault=fault))
    async with harness.routing():
        job_id = await harness.submit()
        await asyncio.wait_for(mock.next_request(), 20)
        asked_at = asyncio.get_running_loop().time()
        await harness.log.request_cancel(job_id, "")
        abort = await asyncio.wait_for(mock.next_abort(), 20)
        done = await harness.done(job_id)

    assert abort.at - asked_at < SOON_S
    assert done.state == job_pb2.JOB_STATE_CANCELLED
    assert done.attempts[0].error.reason == error_pb2.ERROR_REASON_CANCELLED


async def test_a_job_cancelled_between_two_attempts_is_not_tried_again(harness: Harness, mock: MockProvider) -> None:
    mock.play(AWAY)
    before = overloads()
    async with harness.routing(longest_wait_s=20):
        job_id = await harness.submit()
        await harness.until(lambda: overloads() > before)
        await harness.log.request_cancel(job_id, "")
        async with asyncio.timeout(SOON_S):
            done = await harness.done(job_id)

    assert done.state == job_pb2.JOB_STATE_CANCELLED
    assert [attempt.error.reason for attempt in done.attempts] == [error_pb2.ERROR_REASON_PROVIDER_OVERLOADED]
    assert mock.stats.requests == 1


@pytest.mark.parametrize("text_before", ["", "One "])
async def test_cancelling_a_job_ends_its_search(harness: Harness, mock: MockProvider, text_before: str) -> None:
    library = Library()
    library.hangs = True
    job_id = await harness.submit(GROUNDED)
    if text_before:
        await harness.begun_and_lost(job_id, text_before)
    async with library.running() as target, harness.routing(retrieval_target=target):
        await asyncio.wait_for(library.asked.wait(), 20)
        await harness.log.request_cancel(job_id, "")
        async with asyncio.timeout(SOON_S):
            await library.left.wait()
            done = await harness.done(job_id)
        await harness.until_acknowledged()

    assert (done.state, done.answer.text) == (job_pb2.JOB_STATE_CANCELLED, text_before)
    assert mock.stats.requests == 0


async def test_a_job_cancelled_while_it_waits_is_never_asked_for(harness: Harness, mock: MockProvider) -> None:
    cancelled, after = await harness.submit(), await harness.submit()
    await harness.log.request_cancel(cancelled, "")
    async with harness.routing(slots=1):
        await harness.done(after)
        done = await harness.done(cancelled)

    assert done.state == job_pb2.JOB_STATE_CANCELLED
    assert mock.stats.requests == 1
    assert await harness.unacknowledged() == 0


async def test_a_job_cancelled_between_two_workers_is_cancelled_by_the_second(
    harness: Harness, mock: MockProvider
) -> None:
    job_id = await harness.submit()
    await harness.begun_and_lost(job_id, "One ")
    await harness.log.request_cancel(job_id, "too late")
    async with harness.routing():
        done = await harness.done(job_id)

    assert (done.state, done.answer.text) == (job_pb2.JOB_STATE_CANCELLED, "One ")
    assert mock.stats.requests == 0


async def test_a_job_that_expired_in_the_queue_is_never_asked_for(harness: Harness, mock: MockProvider) -> None:
    job_id = await harness.submit(lives_s=-1)
    async with harness.routing():
        done = await harness.done(job_id)

    assert done.state == job_pb2.JOB_STATE_EXPIRED
    assert done.error.reason == error_pb2.ERROR_REASON_EXPIRED
    assert not done.attempts
    assert mock.stats.requests == 0


async def test_a_job_that_expires_while_it_runs_is_aborted_and_keeps_its_tokens(
    harness: Harness, mock: MockProvider
) -> None:
    mock.play(SLOW)
    async with harness.routing():
        job_id = await harness.submit(lives_s=0.5)
        await asyncio.wait_for(mock.next_abort(), 20)
        events = await harness.events(job_id)

    done = events[-1].done
    assert done.state == job_pb2.JOB_STATE_EXPIRED
    assert done.answer.text == text_of(events) != ""
    assert done.answer.usage.estimated


async def test_expiry_reaches_a_provider_that_has_not_said_anything(harness: Harness, mock: MockProvider) -> None:
    mock.play(Script(fault=Fault.HANG_BEFORE_HEADERS))
    async with harness.routing():
        events = await harness.events(await harness.submit(lives_s=0.4))
        async with asyncio.timeout(SOON_S):
            await mock.next_abort()

    assert late_s(events) < SOON_S
    assert events[-1].done.attempts[0].error.reason == error_pb2.ERROR_REASON_EXPIRED


async def test_a_job_that_expires_between_two_attempts_ends_in_time(harness: Harness, mock: MockProvider) -> None:
    mock.play(Script(status=500))
    harness.with_settings(OPENS_AT_ONCE)
    async with harness.routing(longest_wait_s=20):
        events = await harness.events(await harness.submit(lives_s=0.4))

    assert late_s(events) < SOON_S
    assert "is asked again in" in events[-1].done.error.message
    assert mock.stats.requests == 1


async def test_a_job_that_expires_in_its_search_asks_no_provider(harness: Harness, mock: MockProvider) -> None:
    library = Library()
    library.hangs = True
    async with library.running() as target, harness.routing(retrieval_target=target):
        events = await harness.events(await harness.submit(GROUNDED, lives_s=0.4))
        async with asyncio.timeout(SOON_S):
            await library.left.wait()

    assert late_s(events) < SOON_S
    assert mock.stats.requests == 0
