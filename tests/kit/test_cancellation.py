"""A task that was cancelled ends, whatever came at the same moment."""

import asyncio
from contextlib import suppress

import pytest

from weft.job.v1 import job_pb2
from weft_kit.joblog import JobLog, new_job_id
from weft_kit.tasks import cancellations, heed_cancellation


async def keeps_it_to_itself() -> None:
    with suppress(asyncio.CancelledError):
        await asyncio.Event().wait()


async def test_a_cancellation_that_was_lost_is_raised_where_it_is_heeded() -> None:
    async def work() -> None:
        since = cancellations()
        await keeps_it_to_itself()
        heed_cancellation(since)

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_limit_of_time_stays_one() -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            since = cancellations()
            await keeps_it_to_itself()
            heed_cancellation(since)


async def test_what_is_done_once_cancelled_is_left_alone() -> None:
    async def work() -> str:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            since = cancellations()
            await asyncio.sleep(0)
            heed_cancellation(since)
            return "cleaned up"
        return ""

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    task.cancel()
    assert await task == "cleaned up"


async def test_a_caller_who_leaves_as_the_log_answers_has_left(joblog: JobLog, monkeypatch: pytest.MonkeyPatch) -> None:
    request, asked = joblog.client.request, asyncio.Event()

    async def answered_in_the_same_moment(*arguments: object, **named: object) -> object:
        reply = await request(*arguments, **named)
        asked.set()
        await keeps_it_to_itself()
        return reply

    monkeypatch.setattr(joblog.client, "request", answered_in_the_same_moment)
    task = asyncio.create_task(joblog.last(new_job_id("acme", job_pb2.PRIORITY_NORMAL)))
    await asked.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
