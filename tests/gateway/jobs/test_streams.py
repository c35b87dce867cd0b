"""Readers of a job see every event once, in order, from whichever they ask for."""

import asyncio
from typing import Any

import pytest
from tests.gateway.conftest import Ask, Work
from tests.support.transcript import text_of

from weft.job.v1 import event_pb2, job_pb2
from weft_kit.joblog import JobLog, kind_of


async def test_generate_streams_what_the_worker_writes(caller: Any, ask: Ask, log: JobLog, work: Work) -> None:
    stream = caller.generate(ask())
    first = (await anext(aiter(stream))).event
    assert first.HasField("accepted")
    done = await work(job_pb2.Job(job_id=first.job_id, last_sequence=first.sequence), "Ray", "leigh", " scattering")
    events = [first, *[answer.event async for answer in stream]]
    assert [kind_of(event) for event in events] == ["accepted", "started", "delta", "delta", "delta", "done"]
    assert text_of(events) == events[-1].done.answer.text == done.answer.text
    assert events == await log.events(first.job_id)


async def test_leaving_the_stream_leaves_the_job_running(caller: Any, ask: Ask, work: Work) -> None:
    stream = caller.generate(ask())
    first = (await anext(aiter(stream))).event
    stream.cancel()
    await work(job_pb2.Job(job_id=first.job_id, last_sequence=first.sequence), "done anyway")
    assert (await caller.get(first.job_id)).answer.text == "done anyway"


@pytest.mark.parametrize("cut", range(6))
async def test_a_reader_that_was_cut_off_gets_exactly_what_it_missed(
    caller: Any, ask: Ask, work: Work, log: JobLog, cut: int
) -> None:
    job = await caller.submit(ask())
    await work(job, "a", "b", "c")
    everything = await log.events(job.job_id)
    after = everything[cut - 1].sequence if cut else 0
    missed = [answer.event async for answer in caller.stream(job.job_id, after)]
    assert b"".join(e.SerializeToString() for e in missed) == b"".join(e.SerializeToString() for e in everything[cut:])


async def test_a_reader_that_has_seen_everything_gets_nothing(caller: Any, ask: Ask, work: Work, log: JobLog) -> None:
    job = await caller.submit(ask())
    await work(job, "a")
    last = await log.last(job.job_id)
    assert last is not None
    assert [answer async for answer in caller.stream(job.job_id, last.sequence)] == []


async def test_many_readers_of_a_running_job_see_the_same(caller: Any, ask: Ask, work: Work) -> None:
    job = await caller.submit(ask())

    async def read() -> list[event_pb2.JobEvent]:
        return [answer.event async for answer in caller.stream(job.job_id)]

    readers = [asyncio.create_task(read()) for _ in range(8)]
    await work(job, *"abcdefgh")
    stories = await asyncio.gather(*readers)
    assert all(story == stories[0] for story in stories)
    assert text_of(stories[0]) == "abcdefgh"


async def test_a_position_beyond_all_events_is_answered_with_the_end(caller: Any, ask: Ask, work: Work) -> None:
    # It may be one of a log that was lost, whose reader has not heard of the end.
    job = await caller.submit(ask())
    await work(job, "a")
    replies = [reply async for reply in caller.stream(job.job_id, 2**64 - 1)]
    assert [reply.event.WhichOneof("event") for reply in replies] == ["done"]
