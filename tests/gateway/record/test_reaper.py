"""Jobs that expired while no worker was there to say so."""

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from tests.gateway.conftest import Ask, Work
from tests.gateway.record.conftest import Accept
from tests.support.waiting import until_it_succeeds

from weft.common.v1 import error_pb2
from weft.job.v1 import event_pb2, job_pb2
from weft_gateway.config import Config
from weft_gateway.record.postgres_jobs import RecordStore
from weft_gateway.record.reaper import Reaper
from weft_gateway.server import gateway
from weft_kit.joblog import JobLog, connect, kind_of, project, text_hash
from weft_kit.rpc.errors import DependencyDown


async def test_a_job_no_worker_took_expires(reaper: Reaper, accept: Accept, log: JobLog, now: datetime) -> None:
    first = await accept()
    await reaper.bury(now)
    events = await log.events(first.job_id)
    assert [kind_of(event) for event in events] == ["accepted", "done"]
    job = project(first.job_id, events)
    assert job.state == job_pb2.JOB_STATE_EXPIRED
    assert (job.error.reason, job.error.retryable) == (error_pb2.ERROR_REASON_EXPIRED, True)
    assert events[-1].done.text_hash == text_hash("")
    await reaper.bury(now)
    assert await log.events(first.job_id) == events


async def test_text_and_attempts_of_a_lost_worker_are_kept(
    reaper: Reaper, accept: Accept, log: JobLog, now: datetime
) -> None:
    first = await accept()
    writer = log.writer(first.job_id, first.sequence)
    source = job_pb2.Source(number=1, document_id="d")
    failed = job_pb2.Attempt(
        number=1, provider="a", error=job_pb2.JobError(reason=error_pb2.ERROR_REASON_PROVIDER_TIMEOUT)
    )
    started = await writer.append(event_pb2.Started(attempt=1, provider="a", sources=[source]))
    await writer.append(event_pb2.Delta(text="withdrawn", token_count=3))
    await writer.append(
        event_pb2.Started(
            attempt=2, provider="b", provider_model="m", sources=[source], previous=failed, worker="router-7:7602"
        )
    )
    await writer.append(event_pb2.Rewound(to_sequence=started))
    await writer.append(event_pb2.Delta(text="so ", token_count=1))
    await writer.append(event_pb2.Delta(text="far", token_count=1))
    await reaper.bury(now)
    done = (await log.events(first.job_id))[-1].done
    assert done.state == job_pb2.JOB_STATE_EXPIRED
    assert (done.answer.text, done.text_hash) == ("so far", text_hash("so far"))
    assert (done.answer.provider, done.answer.provider_model, list(done.answer.sources)) == ("b", "m", [source])
    assert (done.answer.usage.completion_tokens, done.total_usage.completion_tokens) == (2, 5)
    assert [(attempt.number, attempt.error.reason) for attempt in done.attempts] == [
        (1, error_pb2.ERROR_REASON_PROVIDER_TIMEOUT),
        (2, error_pb2.ERROR_REASON_DEPENDENCY_DOWN),
    ]
    assert [attempt.worker for attempt in done.attempts] == ["", "router-7:7602"]
    assert done.HasField("start_time")
    assert done.HasField("first_token_time")


async def test_an_attempt_that_was_given_back_keeps_its_reason(
    reaper: Reaper, accept: Accept, log: JobLog, now: datetime
) -> None:
    first = await accept()
    writer = log.writer(first.job_id, first.sequence)
    draining = job_pb2.JobError(reason=error_pb2.ERROR_REASON_DRAINING)
    await writer.append(event_pb2.Started(attempt=1, provider="a"))
    await writer.append(event_pb2.Delta(text="so far", token_count=2))
    await writer.append(event_pb2.Released(attempt=job_pb2.Attempt(number=1, provider="a", error=draining)))
    await reaper.bury(now)
    done = (await log.events(first.job_id))[-1].done
    assert [attempt.error for attempt in done.attempts] == [draining]
    assert done.answer.text == "so far"


async def test_a_job_that_was_to_stop_is_cancelled(reaper: Reaper, accept: Accept, log: JobLog, now: datetime) -> None:
    first = await accept()
    await log.writer(first.job_id, first.sequence).append(event_pb2.Started(attempt=1, provider="a"))
    await log.request_cancel(first.job_id, "changed my mind")
    await reaper.bury(now)
    done = (await log.events(first.job_id))[-1].done
    assert (done.state, done.error.reason) == (job_pb2.JOB_STATE_CANCELLED, error_pb2.ERROR_REASON_CANCELLED)
    assert "changed my mind" in done.error.message


async def test_a_worker_has_time_to_say_so_itself(reaper: Reaper, accept: Accept, log: JobLog, now: datetime) -> None:
    firsts = [await accept(ago_s=9), await accept(ago_s=-60)]
    await reaper.bury(now)
    for first in firsts:
        assert [kind_of(event) for event in await log.events(first.job_id)] == ["accepted"]


async def test_a_job_that_ended_stays_as_it_is_though_the_record_trails(
    reaper: Reaper, accept: Accept, log: JobLog, work: Work, now: datetime
) -> None:
    first = await accept()
    await work(job_pb2.Job(job_id=first.job_id, last_sequence=first.sequence), "answer")
    before = await log.events(first.job_id)
    await reaper.bury(now)
    assert await log.events(first.job_id) == before


async def test_reapers_that_meet_write_one_end(
    log: JobLog, records: RecordStore, accept: Accept, now: datetime
) -> None:
    firsts = [await accept() for _ in range(10)]
    await asyncio.gather(*(Reaper(log, records, grace_s=0).bury(now) for _ in range(4)))
    for first in firsts:
        assert [kind_of(event) for event in await log.events(first.job_id)] == ["accepted", "done"]


async def test_more_than_a_page_of_jobs_is_buried(reaper: Reaper, accept: Accept, log: JobLog, now: datetime) -> None:
    firsts = await asyncio.gather(*(accept(ago_s=11 + i % 7) for i in range(130)))
    await reaper.bury(now)
    ends = await asyncio.gather(*(log.last(first.job_id) for first in firsts))
    assert all(end is not None and end.HasField("done") for end in ends)


async def test_a_job_with_an_event_that_cannot_be_read_ends_like_the_others(
    reaper: Reaper, accept: Accept, log: JobLog, now: datetime
) -> None:
    broken, other = await accept(ago_s=20), await accept()
    await publish(log, broken.job_id, "delta", b"\xff")
    await reaper.bury(now)
    assert [kind_of(event) for event in await log.events(other.job_id)] == ["accepted", "done"]
    for _ in range(2):
        last = await log.last(broken.job_id)
        assert last is not None
        assert last.done.state == job_pb2.JOB_STATE_EXPIRED
        await reaper.bury(now)
        assert await log.last(broken.job_id) == last


async def test_a_job_that_said_more_than_one_message_carries_ends_without_it(
    reaper: Reaper, accept: Accept, log: JobLog, now: datetime
) -> None:
    large, other = await accept(ago_s=20), await accept()
    writer = log.writer(large.job_id, large.sequence)
    await writer.append(event_pb2.Started(attempt=1, provider="a"))
    for _ in range(3):
        await writer.append(event_pb2.Delta(text="x" * 3_000_000, token_count=1))
    await reaper.bury(now)
    *_, rewound, end = await log.events(large.job_id)
    assert (rewound.rewound.to_sequence, end.done.state) == (large.sequence, job_pb2.JOB_STATE_EXPIRED)
    assert end.done.error.reason == error_pb2.ERROR_REASON_EXPIRED
    assert (end.done.answer.text, end.done.text_hash) == ("", text_hash(""))
    assert end.done.answer.usage.completion_tokens == 3
    assert [kind_of(event) for event in await log.events(other.job_id)] == ["accepted", "done"]


async def test_a_job_that_cannot_be_ended_is_tried_ever_more_rarely(
    reaper: Reaper, accept: Accept, log: JobLog, now: datetime
) -> None:
    tries = 0

    async def count(job_id: str, _after: int = 0) -> list[event_pb2.JobEvent]:
        nonlocal tries
        tries += 1
        raise ValueError(job_id)

    await accept()
    log.events = count  # type: ignore[method-assign]
    for seconds in range(0, 3600, 5):
        await reaper.bury(now + timedelta(seconds=seconds))
    assert 7 <= tries <= 20


async def test_while_the_log_is_away_a_round_ends_at_the_first_job(
    records: RecordStore, accept: Accept, log: JobLog, nats_proxy: Any, now: datetime
) -> None:
    firsts = [await accept() for _ in range(3)]
    proxy, url = nats_proxy
    async with connect(url, "test") as client:
        away = JobLog(client, replace(log.config, accept_timeout_s=0.5, publish_timeout_s=0.5))
        reaper = Reaper(away, records, grace_s=10)
        await proxy.cut()
        with pytest.raises(DependencyDown):
            await reaper.bury(now)
        await proxy.mend()
        await until_it_succeeds("the log is back", lambda: reaper.bury(now), DependencyDown)
    ends = [await log.last(first.job_id) for first in firsts]
    assert [end and kind_of(end) for end in ends] == ["done"] * 3


async def publish(log: JobLog, job_id: str, kind: str, payload: bytes) -> None:
    """Puts into the log what no event is."""
    await log.client.jetstream().publish(f"{log.config.prefix}.{job_id.replace('-', '.')}.{kind}", payload)


async def test_without_workers_a_job_still_ends_and_is_recorded(
    config: Config, new_caller: Any, ask: Ask, recorded: Any
) -> None:
    prompt = config.model_copy(update={"log": replace(config.log, ack_wait_s=1.0), "reaper_poll_s": 0.05})
    async with gateway(prompt, ("serve", "recorder")) as server:
        caller = await new_caller(server)
        stream = caller.generate(ask(timeout=timedelta(seconds=1)))
        async with asyncio.timeout(20):
            events = [answer.event async for answer in stream]
        (found,) = await recorded(caller, bool, states=[job_pb2.JOB_STATE_EXPIRED])
    assert [kind_of(event) for event in events] == ["accepted", "done"]
    assert found.error.reason == error_pb2.ERROR_REASON_EXPIRED
