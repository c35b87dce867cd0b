"""A job that is erased leaves nothing but a mark."""

import pytest
from tests.kit.joblog.jobs import ENVELOPE, fresh_id, run_job

from weft.job.v1 import event_pb2
from weft_kit.joblog import AlreadyAccepted, Fenced, JobGone, JobLog, Unfinished, kind_of


async def test_an_erased_job_leaves_a_mark_that_keeps_its_key_taken(joblog: JobLog) -> None:
    job, other = await joblog.accept(fresh_id("r1"), ENVELOPE), await joblog.accept(fresh_id("r2"), ENVELOPE)
    with pytest.raises(Unfinished):
        await joblog.erase(job.job_id)
    await run_job(joblog, job.job_id, job.sequence, "secret")
    for _ in range(2):
        await joblog.erase(job.job_id)
        assert [kind_of(event) for event in await joblog.events(job.job_id)] == ["deleted"]
    with pytest.raises(AlreadyAccepted) as repeat:
        await joblog.accept(fresh_id("r1"), ENVELOPE)
    assert kind_of(repeat.value.first) == "deleted"
    assert [kind_of(event) for event in await joblog.events(other.job_id)] == ["accepted"]


async def test_an_erasure_that_was_cut_off_is_finished_by_a_repeat(joblog: JobLog) -> None:
    job = await joblog.accept(fresh_id(), ENVELOPE)
    await run_job(joblog, job.job_id, job.sequence, "secret")
    last = await joblog.last(job.job_id)
    assert last is not None
    await joblog.writer(job.job_id, last.sequence).append(event_pb2.Deleted())
    await joblog.erase(job.job_id)
    assert [kind_of(event) for event in await joblog.events(job.job_id)] == ["deleted"]


@pytest.mark.parametrize("seen", [0, 1, 2, 1_000_000])
async def test_whoever_follows_an_erased_job_hears_that_it_is_gone(joblog: JobLog, seen: int) -> None:
    job = await joblog.accept(fresh_id(), ENVELOPE)
    await run_job(joblog, job.job_id, job.sequence, "secret")
    await joblog.erase(job.job_id)
    after = {0: 0, 1: job.sequence, 2: job.sequence + 1}.get(seen, seen)
    async with joblog.follow(job.job_id, after) as events:
        with pytest.raises(JobGone):
            await anext(aiter(events))
    with pytest.raises(JobGone):
        await joblog.request_cancel(job.job_id, "")


async def test_a_zombie_cannot_write_into_an_erased_job(joblog: JobLog) -> None:
    job = await joblog.accept(fresh_id(), ENVELOPE)
    zombie = joblog.writer(job.job_id, job.sequence)
    await run_job(joblog, job.job_id, job.sequence, "a")
    await joblog.erase(job.job_id)
    with pytest.raises(Fenced):
        await zombie.append(event_pb2.Delta(text="late"))
    assert [kind_of(event) for event in await joblog.events(job.job_id)] == ["deleted"]
