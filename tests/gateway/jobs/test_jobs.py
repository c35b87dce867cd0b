"""Jobs over a real socket: accepted or refused, read by their tenant alone, cancelled."""

import hashlib
from typing import Any

import grpc.aio
import pytest
from google.protobuf.duration_pb2 import Duration
from tests.gateway.conftest import Ask, Refused, Work

from weft.common.v1 import error_pb2
from weft.gateway.v1 import gateway_pb2 as pb
from weft.job.v1 import event_pb2, job_pb2
from weft_kit.joblog import JobLog, kind_of, new_job_id
from weft_kit.rpc.server import Server


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
