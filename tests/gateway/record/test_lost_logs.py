"""Jobs that the log lost with its store fail and say so; those that it has again live."""

from datetime import datetime, timedelta

from structlog.testing import capture_logs
from tests.gateway.conftest import Ask
from tests.gateway.record.conftest import Accept

from weft.common.v1 import error_pb2
from weft.job.v1 import event_pb2, job_pb2
from weft_gateway.record.postgres_jobs import RecordStore
from weft_gateway.record.reaper import Reaper
from weft_gateway.record.rows import rows
from weft_kit.joblog import JobLog, kind_of, new_job_id


async def test_past_the_logs_retention_one_event_tells_the_end(
    reaper: Reaper, accept: Accept, log: JobLog, now: datetime
) -> None:
    first = await accept()
    await log.client.jetstream().purge_stream(log.config.stream)
    await reaper.bury(now)
    (only,) = await log.events(first.job_id)
    assert only.done.state == job_pb2.JOB_STATE_EXPIRED
    assert only.done.accepted == first.accepted


async def test_a_job_that_the_log_lost_with_its_store_fails_and_says_so(
    reaper: Reaper, accept: Accept, log: JobLog, records: RecordStore, now: datetime
) -> None:
    lost = await accept(ago_s=-3600)
    started = await log.writer(lost.job_id, lost.sequence).commit(event_pb2.Started(attempt=1, provider="a"))
    await records.save(rows([started]))
    kept = await accept(ago_s=-3600)
    await log.client.jetstream().purge_stream(log.config.stream, seq=kept.sequence)
    for _ in range(2):  # a repeat changes nothing
        await reaper.bury_lost(now + timedelta(seconds=60))
    assert [kind_of(event) for event in await log.events(kept.job_id)] == ["accepted"]
    (only,) = await log.events(lost.job_id)
    done = only.done
    assert (done.state, done.error.reason) == (job_pb2.JOB_STATE_FAILED, error_pb2.ERROR_REASON_LOG_LOST)
    assert "submit it again" in done.error.message
    assert done.accepted == lost.accepted
    assert [attempt.provider for attempt in done.attempts] == ["a"]


async def test_with_an_empty_log_all_unfinished_jobs_are_lost_but_not_at_once(
    reaper: Reaper, accept: Accept, log: JobLog, now: datetime
) -> None:
    firsts = [await accept(ago_s=-3600) for _ in range(3)]
    await log.client.jetstream().delete_stream(log.config.stream)
    await log.ensure()
    await reaper.bury_lost(now)
    assert [await log.last(first.job_id) for first in firsts] == [None] * 3
    await reaper.bury_lost(now + timedelta(seconds=60))
    ends = [await log.last(first.job_id) for first in firsts]
    assert all(end is not None and end.done.error.reason == error_pb2.ERROR_REASON_LOG_LOST for end in ends)


async def test_a_job_that_is_accepted_again_after_its_log_was_lost_lives(
    reaper: Reaper, accept: Accept, log: JobLog, now: datetime
) -> None:
    old = await accept(ago_s=-3600, request_id="order-2")
    await log.client.jetstream().purge_stream(log.config.stream)
    await log.accept(old.job_id, old.accepted)
    await reaper.bury_lost(now + timedelta(seconds=60))
    assert [kind_of(event) for event in await log.events(old.job_id)] == ["accepted"]


async def test_a_request_id_used_again_after_retention_is_another_job(
    reaper: Reaper, accept: Accept, log: JobLog, ask: Ask, now: datetime
) -> None:
    old = await accept(request_id="order-1")
    await log.client.jetstream().purge_stream(log.config.stream)
    fresh = event_pb2.Accepted(tenant="acme", request=ask(), request_id="order-1")
    fresh.expire_time.FromDatetime(now + timedelta(seconds=60))
    await log.accept(old.job_id, fresh)
    await reaper.bury(now)
    assert [kind_of(event) for event in await log.events(old.job_id)] == ["accepted"]


async def test_a_job_that_the_log_lost_and_that_cannot_be_ended_keeps_no_other_waiting(
    accept: Accept, log: JobLog, records: RecordStore, ask: Ask, now: datetime
) -> None:
    large = event_pb2.JobEvent(job_id=new_job_id("acme", job_pb2.PRIORITY_NORMAL))
    large.accepted.CopyFrom(event_pb2.Accepted(tenant="acme", request=ask("x" * 9_000_000)))
    large.time.FromDatetime(now - timedelta(hours=2))
    large.accepted.expire_time.FromDatetime(now - timedelta(hours=2))
    await records.save(rows([large]))
    other = await accept(ago_s=-3600)
    await log.client.jetstream().purge_stream(log.config.stream)
    with capture_logs() as lines:
        await Reaper(log, records, grace_s=10).bury_lost(now + timedelta(seconds=60))
    assert [line["job_id"] for line in lines if line["log_level"] == "error"] == [large.job_id]
    last = await log.last(other.job_id)
    assert last is not None
    assert last.done.error.reason == error_pb2.ERROR_REASON_LOG_LOST
    assert await log.last(large.job_id) is None
