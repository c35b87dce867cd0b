"""Jobs that lose their worker, or have one too many."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.router.conftest import CATALOG
from tests.router.harness import Harness, asking
from tests.router.services import ENGINE_CATALOG, Engine, Library
from tests.support.transcript import text_of

from weft.common.v1 import chat_pb2, error_pb2
from weft.job.v1 import event_pb2, job_pb2
from weft_kit.joblog import Fenced, JobLog, Leases, LogConfig, Writer, project, text_hash
from weft_mock import MockProvider, Script
from weft_router.worker.job_run import JobDependencies
from weft_router.worker.worker import GenerationWorker

SLOW = Script(tokens=500, tokens_per_second=50)


async def test_a_zombie_is_fenced_and_stops_its_provider(harness: Harness, mock: MockProvider) -> None:
    mock.play(SLOW)
    async with harness.routing():
        job_id = await harness.submit()
        await harness.first(job_id, "delta")
        other = await taken_over(harness, job_id)
        await asyncio.wait_for(mock.next_abort(), 20)
        await other.append(event_pb2.Done(state=job_pb2.JOB_STATE_SUCCEEDED, text_hash=text_hash("")))
        events = await harness.events(job_id)

    starts = [event.started.provider for event in events if event.HasField("started")]
    assert starts == ["mock", "elsewhere"]
    assert [event.WhichOneof("event") for event in events[-2:]] == ["started", "done"]


async def taken_over(harness: Harness, job_id: str) -> Writer:
    """Begins another attempt, as a second worker would that believes the first one lost."""
    while True:
        last = await harness.log.last(job_id)
        assert last is not None
        writer = harness.log.writer(job_id, last.sequence)
        try:
            await writer.append(event_pb2.Started(attempt=2, provider="elsewhere"))
        except Fenced:
            continue
        return writer


async def test_a_redelivered_job_goes_on_from_its_text_where_the_engine_can(harness: Harness) -> None:
    engine = Engine("One ", "two ", "three ", "four.")
    async with engine.running() as target:
        harness.catalog(ENGINE_CATALOG.format(target=target))
        job_id = await harness.submit(asking(sampling=chat_pb2.SamplingParams(max_tokens=10)))
        lost_at = await harness.begun_and_lost(job_id, "One two ")
        async with harness.routing():
            events = await harness.events(job_id)

    done = events[-1].done
    assert text_of(events) == done.answer.text == "One two three four."
    assert not any(event.HasField("rewound") for event in events)
    [request] = engine.requests
    assert (request.prefix, request.sampling.max_tokens) == ("One two ", 8)
    [_, second] = [event.started for event in events if event.HasField("started")]
    assert (second.attempt, second.resumes_after) == (2, lost_at)
    assert [attempt.number for attempt in done.attempts] == [1, 2]
    assert done.attempts[0].error.reason == error_pb2.ERROR_REASON_DEPENDENCY_DOWN
    assert not done.attempts[1].HasField("error")
    assert done.answer.provider_model == "tiny-engine-model"
    assert (done.answer.usage.completion_tokens, done.answer.usage.estimated) == (4, True)


async def test_a_redelivered_job_starts_over_where_the_provider_cannot_go_on(
    harness: Harness, mock: MockProvider
) -> None:
    mock.play(Script(text="Another answer."))
    job_id = await harness.submit()
    await harness.begun_and_lost(job_id, "One two ")
    async with harness.routing():
        events = await harness.events(job_id)

    assert text_of(events) == events[-1].done.answer.text == "Another answer."
    [rewound] = [event.rewound for event in events if event.HasField("rewound")]
    assert rewound.to_sequence == events[0].sequence


async def test_structured_output_starts_over_even_where_the_engine_could_go_on(harness: Harness) -> None:
    engine = Engine("One ", "two ", "three.")
    async with engine.running() as target:
        harness.catalog(ENGINE_CATALOG.format(target=target))
        wanted = chat_pb2.ResponseFormat(json_object=chat_pb2.JsonObjectFormat())
        job_id = await harness.submit(asking(response_format=wanted))
        await harness.begun_and_lost(job_id, "One ")
        async with harness.routing():
            events = await harness.events(job_id)

    assert any(event.HasField("rewound") for event in events)
    assert engine.requests[0].prefix == ""
    assert text_of(events) == "One two three."


async def test_an_attempt_lost_with_its_worker_costs_none_of_those_allowed_and_no_retry(
    harness: Harness, mock: MockProvider
) -> None:
    harness.with_settings("retries = { share = 0.0, floor = 0 }")
    job_id = await harness.submit()
    for attempt in (1, 2, 3):
        await harness.begun_and_lost(job_id, "Some ", attempt)
    async with harness.routing(max_attempts=1):
        done = await harness.done(job_id)

    assert done.state == job_pb2.JOB_STATE_SUCCEEDED
    assert len(done.attempts) == 4
    assert mock.stats.requests == 1


async def test_a_job_that_kills_one_worker_after_another_is_given_up(harness: Harness, mock: MockProvider) -> None:
    job_id = await harness.submit()
    for attempt in (1, 2, 3):
        await harness.begun_and_lost(job_id, "Some ", attempt)
    async with harness.routing(max_lost_attempts=3):
        done = await harness.done(job_id)

    assert done.state == job_pb2.JOB_STATE_FAILED
    assert done.error.reason == error_pb2.ERROR_REASON_ATTEMPTS_EXHAUSTED
    assert "3 attempts were lost with their workers" in done.error.message
    assert len(done.attempts) == 3
    assert done.answer.text == "Some Some Some "
    assert mock.stats.requests == 0


async def test_a_job_that_kills_workers_before_they_begin_is_given_up(harness: Harness, mock: MockProvider) -> None:
    job_id = await harness.submit()
    for _ in range(2):
        async with harness.lost_worker() as take:
            await asyncio.wait_for(take(), 20)
    async with harness.routing(max_deliveries=2):
        done = await harness.done(job_id)

    assert done.error.reason == error_pb2.ERROR_REASON_ATTEMPTS_EXHAUSTED
    assert mock.stats.requests == 0


@pytest.mark.parametrize("deliveries", [1, 2])
async def test_a_job_whose_log_cannot_be_read_fails_once_and_frees_its_place(
    harness: Harness, mock: MockProvider, deliveries: int
) -> None:
    job_id = await harness.submit()
    subject = f"{harness.log.config.prefix}.{job_id.replace('-', '.')}.delta"
    await harness.log.client.jetstream().publish(subject, b"\xff")
    for _ in range(deliveries - 1):
        async with harness.lost_worker() as take:
            await asyncio.wait_for(take(), 20)
    other = await harness.submit()
    async with harness.routing():
        assert (await harness.done(other)).state == job_pb2.JOB_STATE_SUCCEEDED
        await harness.until_acknowledged()
    last = await harness.log.last(job_id)
    assert last is not None
    assert (last.done.state, last.done.error.reason) == (job_pb2.JOB_STATE_FAILED, error_pb2.ERROR_REASON_INTERNAL)
    assert mock.stats.requests == 1


class BrokenLog(JobLog):
    """What a bug would make of it, before a job's first look at how often it was handed out."""

    async def events(self, job_id: str, after_sequence: int = 0) -> list[event_pb2.JobEvent]:
        raise LookupError(job_id, after_sequence)


async def test_a_job_that_is_left_with_every_delivery_leaves_its_lane_in_the_end(
    harness: Harness, joblog: JobLog
) -> None:
    await harness.submit()
    for _ in range(2):
        async with harness.lost_worker() as take:
            await asyncio.wait_for(take(), 20)
    log: Any = BrokenLog(joblog.client, joblog.config)
    nothing: Any = None
    async with GenerationWorker(
        JobDependencies(log, nothing, nothing, max_deliveries=2), Leases(log, slots=1), grace_s=0
    ).working():
        await harness.until_acknowledged()


async def test_draining_lets_running_jobs_finish(harness: Harness, mock: MockProvider) -> None:
    mock.play(Script(tokens=20, tokens_per_second=50))
    async with harness.routing(grace_s=5):
        job_id = await harness.submit()
        await harness.first(job_id, "delta")

    last = await harness.log.last(job_id)
    assert last is not None
    assert last.done.state == job_pb2.JOB_STATE_SUCCEEDED
    assert await harness.unacknowledged() == 0


async def test_draining_takes_no_new_jobs(harness: Harness, mock: MockProvider) -> None:
    mock.play(Script(tokens=20, tokens_per_second=50))
    async with harness.routing(grace_s=5):
        running = await harness.submit()
        await harness.first(running, "delta")
    late = await harness.submit()

    assert await harness.unacknowledged() == 1
    assert [event.WhichOneof("event") for event in await harness.log.events(late)] == ["accepted"]


async def test_a_job_that_outlasts_the_grace_moves_to_another_replica_at_once(
    harness: Harness, mock: MockProvider
) -> None:
    mock.play(SLOW, Script(text="All of it."))
    async with harness.routing(grace_s=0.1):
        job_id = await harness.submit()
        await harness.first(job_id, "delta")
    await asyncio.wait_for(mock.next_abort(), 20)
    async with asyncio.timeout(20), harness.routing():  # well within the ack wait: it was given back
        events = await harness.events(job_id)

    assert [event.started.attempt for event in events if event.HasField("started")] == [1, 2]
    assert text_of(events) == events[-1].done.answer.text == "All of it."


WORDS = ("One ", "two ", "three ", "four.")


async def test_what_was_said_stands_in_the_log_before_a_job_is_given_back(harness: Harness) -> None:
    engine = Engine(*WORDS[:3])
    engine.hangs = True
    async with engine.running() as target:
        harness.catalog(ENGINE_CATALOG.format(target=target))
        async with harness.routing():
            job_id = await harness.submit()
            await harness.first(job_id, "delta")
        left = await harness.log.events(job_id)
        engine.hangs, engine.words = False, WORDS
        async with harness.routing(max_attempts=1):
            events = await harness.events(job_id)

    given_up = left[-1].released.attempt
    assert (given_up.number, given_up.error.reason) == (1, error_pb2.ERROR_REASON_DRAINING)
    # How much of it had come to the router is its network's business; that much is in the log.
    said = "".join(WORDS[: given_up.usage.completion_tokens])
    assert said
    assert text_of(left) == said
    waiting = project(job_id, left)
    assert (waiting.state, waiting.answer.text) == (job_pb2.JOB_STATE_QUEUED, said)

    done = events[-1].done  # with the one attempt allowed, for the other does not count
    assert (done.state, done.answer.text) == (job_pb2.JOB_STATE_SUCCEEDED, "".join(WORDS))
    assert text_of(events) == "".join(WORDS)
    assert not any(event.HasField("rewound") for event in events)
    assert [attempt.error.reason for attempt in done.attempts] == [error_pb2.ERROR_REASON_DRAINING, 0]
    assert done.attempts[0] == given_up


async def test_jobs_that_were_not_begun_are_just_given_back(harness: Harness, mock: MockProvider) -> None:
    library = Library()
    library.hangs = True
    grounded = asking(retrieval=job_pb2.RetrievalOptions(collection="guide"))
    async with library.running() as target, harness.routing(retrieval_target=target, slots=1):
        searching, waiting = await harness.submit(grounded), await harness.submit()
        await asyncio.wait_for(library.asked.wait(), 20)
    async with harness.lost_worker() as take:
        again = {(lease := await asyncio.wait_for(take(), 5)).job_id: lease for _ in range(2)}

    assert set(again) == {searching, waiting}
    for job_id in again:
        assert [event.WhichOneof("event") for event in await harness.log.events(job_id)] == ["accepted"]


async def test_a_job_whose_worker_vanished_is_begun_by_another_within_ten_seconds(
    joblog: JobLog, nats_url: str, mock_url: str, tmp_path: Path
) -> None:
    impatient = JobLog(joblog.client, replace(joblog.config, ack_wait_s=1))
    harness = Harness(impatient, nats_url, tmp_path)
    harness.catalog(CATALOG.format(base_url=mock_url))
    job_id = await harness.submit()
    await harness.begun_and_lost(job_id, "One ", gives_back=False)
    # All but the ack wait is the same with the ordinary one.
    async with asyncio.timeout(10 - LogConfig().ack_wait_s + impatient.config.ack_wait_s), harness.routing():
        done = await harness.done(job_id)

    assert done.state == job_pb2.JOB_STATE_SUCCEEDED
    assert [attempt.number for attempt in done.attempts] == [1, 2]


async def test_a_job_that_comes_again_while_it_runs_here_is_not_begun_twice(
    harness: Harness, mock: MockProvider
) -> None:
    mock.play(Script(tokens=30, tokens_per_second=50))
    async with harness.routing():
        job_id = await harness.submit()
        await harness.first(job_id, "delta")
        await harness.hand_out_again(job_id)
        done = await harness.done(job_id)
        await harness.until_acknowledged()

    assert done.state == job_pb2.JOB_STATE_SUCCEEDED
    assert mock.stats.requests == len(done.attempts) == 1
