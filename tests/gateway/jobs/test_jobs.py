"""Jobs over a real socket: accepted, followed, read, listed, cancelled."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc.aio
import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from tests.support.transcript import text_of

from weft.common.v1 import error_pb2
from weft.gateway.v1 import gateway_pb2 as pb
from weft.job.v1 import event_pb2, job_pb2
from weft_kit.joblog import JobLog, kind_of, new_job_id
from weft_kit.rpc.server import Server

Ask = Callable[..., job_pb2.GenerationRequest]
Refused = Callable[[Awaitable[Any]], Awaitable[Any]]
Work = Callable[..., Awaitable[event_pb2.Done]]


async def test_a_submitted_job_is_in_the_log_with_its_envelope(caller: Any, ask: Ask, log: JobLog) -> None:
    request = ask(labels={"team": "a"})
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    question = pb.SubmitJobRequest(request_id="r1", request=request)
    made = await caller.jobs.SubmitJob(question, metadata=(*caller.auth, ("traceparent", trace)))
    (event,) = await log.events(made.job.job_id)
    envelope = event.accepted
    assert made.job.state == job_pb2.JOB_STATE_QUEUED
    assert made.job.request == envelope.request == request
    assert (envelope.tenant, envelope.key_id) == (caller.key.tenant, caller.key.key_id)
    assert (envelope.request_id, envelope.traceparent) == ("r1", trace)
    assert envelope.request_hash == hashlib.sha256(request.SerializeToString(deterministic=True)).hexdigest()
    life = envelope.expire_time.ToDatetime() - event.time.ToDatetime()
    assert abs(life.total_seconds() - 600) < 1


async def test_a_job_may_not_outlive_the_log_that_keeps_it(caller: Any, ask: Ask, refused: Refused) -> None:
    error = await refused(caller.submit(ask(timeout=timedelta(hours=23))))
    assert error.violations.keys() == {"request.timeout"}


async def test_a_job_expires_when_its_timeout_says(caller: Any, ask: Ask) -> None:
    job = await caller.submit(ask(timeout=timedelta(seconds=5)))
    assert abs((job.expire_time.ToDatetime() - job.accept_time.ToDatetime()).total_seconds() - 5) < 1


async def test_a_job_expires_with_its_call_when_that_is_asked_for(caller: Any, ask: Ask) -> None:
    async def life_s(timeout_s: float | None, **fields: Any) -> float:
        question = pb.SubmitJobRequest(request=ask(), **fields)
        job = (await caller.jobs.SubmitJob(question, metadata=caller.auth, timeout=timeout_s)).job
        return float((job.expire_time.ToDatetime() - job.accept_time.ToDatetime()).total_seconds())

    assert 29 < await life_s(30.0, expire_with_call=True) < 31
    assert 599 < await life_s(30.0) < 601
    assert 599 < await life_s(None, expire_with_call=True) < 601
    assert 599 < await life_s(900.0, expire_with_call=True) < 601


async def test_generate_and_batches_expire_with_their_call_too(caller: Any, ask: Ask) -> None:
    stream = caller.generate(ask(), limit_s=30.0, expire_with_call=True)
    first = (await anext(aiter(stream))).event
    assert (first.accepted.expire_time.ToDatetime() - first.time.ToDatetime()).total_seconds() < 31
    items = [pb.SubmitJobRequest(request=ask(), expire_with_call=asked) for asked in (True, False)]
    answer = await caller.jobs.SubmitJobs(pb.SubmitJobsRequest(requests=items), metadata=caller.auth, timeout=30.0)
    lives = [
        (result.job.expire_time.ToDatetime() - result.job.accept_time.ToDatetime()).total_seconds()
        for result in answer.results
    ]
    assert lives[0] < 31 < lives[1]


async def test_a_repeat_with_another_deadline_is_still_a_repeat(caller: Any, ask: Ask) -> None:
    question = pb.SubmitJobRequest(request_id="order-1", request=ask(), expire_with_call=True)
    first = (await caller.jobs.SubmitJob(question, metadata=caller.auth, timeout=20.0)).job
    assert (await caller.jobs.SubmitJob(question, metadata=caller.auth, timeout=40.0)).job == first
    assert await caller.submit(ask(), "order-1") == first


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


async def test_a_repeat_with_the_same_id_and_body_is_the_same_job(caller: Any, ask: Ask, work: Work) -> None:
    first = await caller.submit(ask(), "order-1")
    assert await caller.submit(ask(), "order-1") == first
    await work(first, "answer")
    assert (await caller.submit(ask(), "order-1")).answer.text == "answer"
    events = [answer.event async for answer in caller.generate(ask(), "order-1")]
    assert events[0].job_id == first.job_id
    assert events[-1].done.answer.text == "answer"


async def test_a_repeat_with_another_body_is_refused_with_both_hashes(caller: Any, ask: Ask, refused: Refused) -> None:
    await caller.submit(ask("one"), "order-1")
    error = await refused(caller.submit(ask("two"), "order-1"))
    assert error.status is grpc.StatusCode.ALREADY_EXISTS
    assert error.reason == error_pb2.ERROR_REASON_REQUEST_ID_REUSED
    hashes = {
        name: hashlib.sha256(ask(name).SerializeToString(deterministic=True)).hexdigest() for name in ("one", "two")
    }
    assert error.metadata == {"first_request_hash": hashes["one"], "request_hash": hashes["two"]}


async def test_fifty_submits_at_once_with_one_id_make_one_job(caller: Any, ask: Ask, recorded: Any) -> None:
    jobs = await asyncio.gather(*(caller.submit(ask(), "same") for _ in range(50)))
    assert len({job.job_id for job in jobs}) == 1
    assert len(await recorded(caller, bool)) == 1


async def test_two_tenants_may_use_the_same_request_id(server: Server, new_caller: Any, ask: Ask) -> None:
    one, other = await new_caller(server), await new_caller(server)
    assert (await one.submit(ask(), "same")).job_id != (await other.submit(ask(), "same")).job_id


async def test_another_tenants_job_is_as_unknown_as_one_that_never_was(
    server: Server, new_caller: Any, ask: Ask, refused: Refused
) -> None:
    owner, stranger = await new_caller(server), await new_caller(server)
    job = await owner.submit(ask())
    never = new_job_id(stranger.key.tenant, job_pb2.PRIORITY_NORMAL)
    errors = []
    for job_id in (job.job_id, never, "", "nonsense", "jobs.*.>"):
        errors += [
            await refused(stranger.get(job_id)),
            await refused(stranger.cancel(job_id)),
            await refused(stranger.stream(job_id).read()),
        ]
    assert {error.status for error in errors} == {grpc.StatusCode.NOT_FOUND}
    assert {error.reason for error in errors} == {error_pb2.ERROR_REASON_JOB_NOT_FOUND}
    assert len({error.message for error in errors}) == 1
    assert (await owner.get(job.job_id)).state == job_pb2.JOB_STATE_QUEUED


async def test_a_tenant_with_the_same_tag_still_cannot_read(
    caller: Any, ask: Ask, log: JobLog, refused: Refused
) -> None:
    # 40 bits of the tenant are in the id. Should two tenants ever share them, the envelope decides.
    job_id = new_job_id(caller.key.tenant, job_pb2.PRIORITY_NORMAL)
    await log.accept(job_id, event_pb2.Accepted(tenant="somebody else", request=ask()))
    for call in (caller.get(job_id), caller.cancel(job_id), caller.stream(job_id).read()):
        assert (await refused(call)).reason == error_pb2.ERROR_REASON_JOB_NOT_FOUND


async def test_a_queued_job_is_cancelled_at_once(caller: Any, ask: Ask) -> None:
    job = await caller.submit(ask())
    cancelled = await caller.cancel(job.job_id, "changed my mind")
    assert cancelled.state == job_pb2.JOB_STATE_CANCELLED
    assert cancelled.error.message == "changed my mind"
    assert await caller.cancel(job.job_id) == cancelled == await caller.get(job.job_id)


async def test_a_running_job_is_asked_to_stop(caller: Any, ask: Ask, log: JobLog) -> None:
    job = await caller.submit(ask())
    await log.writer(job.job_id, job.last_sequence).append(event_pb2.Started(attempt=1, provider="local"))
    async with log.cancel_signals() as signals:
        assert (await caller.cancel(job.job_id)).state == job_pb2.JOB_STATE_RUNNING
        assert await anext(signals) == job.job_id
    assert kind_of((await log.events(job.job_id))[-1]) == "cancel_requested"


async def test_a_finished_job_stays_as_it_is(caller: Any, ask: Ask, work: Work) -> None:
    job = await caller.submit(ask())
    await work(job, "answer")
    assert (await caller.cancel(job.job_id)).state == job_pb2.JOB_STATE_SUCCEEDED


async def test_a_cancel_message_has_a_limit(caller: Any, ask: Ask, refused: Refused) -> None:
    job = await caller.submit(ask())
    assert "message" in (await refused(caller.cancel(job.job_id, "x" * 257))).violations


async def test_bad_fields_are_named_and_nothing_is_accepted(caller: Any, ask: Ask, refused: Refused) -> None:
    request = ask("", model="")
    for call in (caller.submit(request), caller.generate(request).read()):
        error = await refused(call)
        assert error.status is grpc.StatusCode.INVALID_ARGUMENT
        assert set(error.violations) == {"request.model", "request.messages[0].parts[0].text"}


async def test_an_unknown_model_has_a_reason_of_its_own(caller: Any, ask: Ask, refused: Refused) -> None:
    error = await refused(caller.submit(ask(model="gpt-9")))
    assert error.reason == error_pb2.ERROR_REASON_UNKNOWN_MODEL
    assert error.metadata["known"] == "default, large"


async def test_a_prompt_of_ten_megabytes_is_refused_with_both_numbers(caller: Any, ask: Ask, refused: Refused) -> None:
    error = await refused(caller.submit(ask("x" * 10_000_000)))
    assert error.status is grpc.StatusCode.INVALID_ARGUMENT
    assert error.reason == error_pb2.ERROR_REASON_REQUEST_TOO_LARGE
    # While it still comes, so many bytes of it as have come.
    assert 10_100_000 > int(error.metadata["size_bytes"]) > int(error.metadata["limit_bytes"])


async def test_a_prompt_just_below_the_limit_is_carried(caller: Any, ask: Ask, refused: Refused) -> None:
    limit = int((await refused(caller.submit(ask("x" * 4_300_000)))).metadata["limit_bytes"])
    job = await caller.submit(ask("x" * (limit - 200)))
    assert job.state == job_pb2.JOB_STATE_QUEUED


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


async def test_texts_that_nothing_stored_can_hold_are_refused_by_name(caller: Any, ask: Ask, refused: Refused) -> None:
    error = await refused(caller.submit(ask(labels={"team": "a\0"})))
    assert error.violations == {'request.labels["team"]': "must not contain NUL (U+0000)"}
    for path, fields in (
        ("models[0]", {"models": ["a\0"]}),
        ('labels["a\\u0000"]', {"labels": {"a\0": ""}}),
        ("request_id", {"request_id": "a\0"}),
    ):
        assert (await refused(caller.list(**fields))).violations == {
            path: f"{'key ' if 'labels' in fields else ''}must not contain NUL (U+0000)"
        }


@pytest.mark.parametrize(
    "times", [{"seconds": 1, "nanos": 2_000_000_000}, {"seconds": 10**15}, {"seconds": 1, "nanos": -1}]
)
async def test_a_duration_that_is_none_is_refused_by_name_wherever_it_stands(
    caller: Any, ask: Ask, refused: Refused, times: dict[str, int]
) -> None:
    odd = Duration(**times)
    error = await refused(caller.submit(ask(timeout=odd, cache=job_pb2.CachePolicy(max_age=odd))))
    assert error.violations.keys() == {"request.timeout", "request.cache.max_age"}
    good, bad = await caller.submit_all(
        pb.SubmitJobRequest(request=ask()),
        pb.SubmitJobRequest(request=ask(routing=job_pb2.Routing(total_timeout=odd))),
    )
    assert good.job.job_id
    assert bad.error.violations.keys() == {"request.routing.total_timeout"}
    assert (await refused(caller.get(good.job.job_id, wait=odd))).violations.keys() == {"wait"}


async def test_a_position_beyond_all_events_is_answered_with_the_end(caller: Any, ask: Ask, work: Work) -> None:
    # It may be one of a log that was lost, whose reader has not heard of the end.
    job = await caller.submit(ask())
    await work(job, "a")
    replies = [reply async for reply in caller.stream(job.job_id, 2**64 - 1)]
    assert [reply.event.WhichOneof("event") for reply in replies] == ["done"]


async def test_a_list_of_the_future_is_empty(caller: Any, ask: Ask, recorded: Any) -> None:
    await caller.submit(ask())
    await recorded(caller, bool)
    tomorrow = Timestamp()
    tomorrow.FromDatetime(datetime.now(UTC) + timedelta(days=1))
    assert not (await caller.list(accepted_after=tomorrow)).jobs
