"""A tenant's jobs are listed newest first, by state and time, page by page."""

from datetime import UTC, datetime, timedelta
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp
from tests.gateway.conftest import Ask, Refused, Work

from weft.common.v1 import error_pb2
from weft.job.v1 import event_pb2, job_pb2
from weft_kit.joblog import JobLog
from weft_kit.rpc.server import Server


async def test_jobs_are_listed_newest_first_in_pages_without_prompt_and_answer(
    caller: Any, ask: Ask, work: Work, recorded: Any
) -> None:
    jobs = [await caller.submit(ask()) for _ in range(5)]
    await work(jobs[0], "answer")
    await recorded(caller, lambda found: len(found) == 5, states=[])
    await recorded(caller, bool, states=[job_pb2.JOB_STATE_SUCCEEDED])
    found: list[job_pb2.Job] = []
    sizes, token = [], ""
    while True:
        page = await caller.list(page_size=2, page_token=token)
        found += page.jobs
        sizes.append(len(page.jobs))
        if not (token := page.next_page_token):
            break
    assert sizes == [2, 2, 1]
    assert [job.job_id for job in found] == [job.job_id for job in reversed(jobs)]
    oldest = found[-1]
    assert not any(job.HasField("request") or job.HasField("answer") for job in found)
    assert (oldest.model, oldest.state) == ("default", job_pb2.JOB_STATE_SUCCEEDED)
    assert oldest.attempts
    assert oldest.accept_time == jobs[0].accept_time


async def test_jobs_are_listed_by_state_and_time(caller: Any, ask: Ask, work: Work, log: JobLog, recorded: Any) -> None:
    queued, running, finished = [await caller.submit(ask()) for _ in range(3)]
    await log.writer(running.job_id, running.last_sequence).append(event_pb2.Started(attempt=1))
    await work(finished, "x")
    for job, state in (
        (queued, job_pb2.JOB_STATE_QUEUED),
        (running, job_pb2.JOB_STATE_RUNNING),
        (finished, job_pb2.JOB_STATE_SUCCEEDED),
    ):
        (found,) = await recorded(caller, lambda jobs: len(jobs) == 1, states=[state])
        assert (found.job_id, found.state) == (job.job_id, state)
    middle = running.accept_time
    # PostgreSQL keeps microseconds, and rounds.
    middle.FromDatetime(middle.ToDatetime())
    before = await caller.list(accepted_before=middle)
    after = await caller.list(accepted_after=middle)
    assert [job.job_id for job in before.jobs] == [queued.job_id]
    assert [job.job_id for job in after.jobs] == [finished.job_id, running.job_id]


async def test_a_list_holds_one_tenants_jobs_only(server: Server, new_caller: Any, ask: Ask, recorded: Any) -> None:
    one, other = await new_caller(server), await new_caller(server)
    mine = await one.submit(ask())
    await other.submit(ask())
    await recorded(other, bool)
    assert [job.job_id for job in await recorded(one, bool)] == [mine.job_id]


async def test_page_tokens_and_sizes_are_checked(caller: Any, refused: Refused) -> None:
    assert (await refused(caller.list(page_size=1001))).violations.keys() == {"page_size"}
    assert (await refused(caller.list(page_token="x"))).reason == error_pb2.ERROR_REASON_INVALID_PAGE_TOKEN
    broken = Timestamp(seconds=10**15)
    assert (await refused(caller.list(accepted_after=broken))).violations.keys() == {"accepted_after"}


async def test_a_list_of_the_future_is_empty(caller: Any, ask: Ask, recorded: Any) -> None:
    await caller.submit(ask())
    await recorded(caller, bool)
    tomorrow = Timestamp()
    tomorrow.FromDatetime(datetime.now(UTC) + timedelta(days=1))
    assert not (await caller.list(accepted_after=tomorrow)).jobs
