"""Jobs without their streams: waited for, listed, and submitted by the thousand."""

from datetime import UTC, datetime

import grpc
import pytest
from tests.client.gateways import ScriptedGateway, accepted, in_batch, serving

from weft.common.v1 import error_pb2
from weft.gateway.v1 import gateway_pb2 as pb
from weft.gateway.v1 import webhook_pb2
from weft.job.v1 import job_pb2
from weft_client import WeftClient
from weft_client.batches import outcome, parts
from weft_client.requests import chat
from weft_kit.rpc.errors import Draining, Unauthenticated, WeftError


class Finishing(ScriptedGateway):
    """Answers the first two polls with a running job."""

    async def GetJob(self, request, _):
        self.polls.append(request)
        state = job_pb2.JOB_STATE_RUNNING if len(self.polls) < 3 else job_pb2.JOB_STATE_CANCELLED
        return pb.GetJobResponse(job=job_pb2.Job(job_id=request.job_id, state=state))


async def test_waiting_for_a_job_repeats_long_polls_until_it_is_terminal():
    gateway = Finishing()
    async with serving(gateway) as address, WeftClient(address, "key") as weft:
        job = await weft.wait("j")
    assert job.state == job_pb2.JOB_STATE_CANCELLED
    assert [poll.wait.ToTimedelta().total_seconds() for poll in gateway.polls] == [30, 30, 30]


async def test_waiting_gives_the_job_as_it_is_when_the_limit_is_over():
    async with serving(Finishing()) as address, WeftClient(address, "key") as weft:
        job = await weft.wait("j", limit_s=0)
    assert job.state == job_pb2.JOB_STATE_RUNNING


async def test_a_job_is_returned_without_waiting_by_default(playing):
    async with playing() as (weft, gateway):
        gateway.jobs["j"] = job_pb2.Job(job_id="j")
        await weft.job("j")
        await weft.job("j", wait_s=1.5)
    assert [poll.wait.ToTimedelta().total_seconds() for poll in gateway.polls] == [0, 1.5]


async def test_lists_are_read_page_by_page_up_to_the_limit(playing):
    async with playing() as (weft, gateway):
        gateway.jobs = {name: job_pb2.Job(job_id=name) for name in "abcd"}
        assert [job.job_id for job in await weft.jobs()] == ["a", "b", "c", "d"]
        assert [job.job_id for job in await weft.jobs(limit=2)] == ["a", "b"]
    assert len(gateway.lists) == 4 + 2


async def test_every_filter_is_passed_on(playing):
    async with playing() as (weft, gateway):
        await weft.jobs(
            states=[job_pb2.JOB_STATE_FAILED],
            models=["small"],
            priorities=[job_pb2.PRIORITY_HIGH],
            labels={"run": "7"},
            request_id="r-1",
            accepted_after=datetime(2026, 1, 1, tzinfo=UTC),
            accepted_before=datetime(2026, 2, 1, tzinfo=UTC),
        )
    [asked] = gateway.lists
    assert (asked.states, asked.models, asked.priorities) == ([job_pb2.JOB_STATE_FAILED], ["small"], [1])
    assert (asked.labels, asked.request_id) == ({"run": "7"}, "r-1")
    assert asked.accepted_after.ToJsonString() == "2026-01-01T00:00:00Z"
    assert asked.accepted_before.ToJsonString() == "2026-02-01T00:00:00Z"


def submissions(sizes):
    return [pb.SubmitJobRequest(request_id=str(n), request=chat("x" * size)) for n, size in enumerate(sizes)]


@pytest.mark.parametrize(
    ("sizes", "cut"),
    [
        ([], []),
        ([1] * 2001, [1000, 1000, 1]),
        ([12_000_000] * 5, [2, 2, 1]),
        ([1, 60_000_000, 1], [1, 1, 1]),
    ],
)
def test_batches_are_cut_by_number_and_by_size(sizes, cut):
    items = submissions(sizes)
    found = list(parts(items))
    assert [len(part) for part in found] == cut
    assert [item for part in found for item in part] == items


def test_an_items_error_is_the_one_its_own_call_would_have_raised():
    said = error_pb2.ItemError(
        code=grpc.StatusCode.INVALID_ARGUMENT.value[0],
        reason=error_pb2.ERROR_REASON_INVALID_FIELD,
        message="request.messages: must not be empty",
        metadata={"size": "7"},
        violations={"request.messages": "must not be empty"},
    )
    said.retry_after.FromMilliseconds(1500)
    error = outcome(pb.SubmitJobsResult(error=said))
    assert isinstance(error, WeftError)
    assert (error.status, error.reason_name) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD")
    assert (error.message, error.metadata, error.violations) == (said.message, {"size": "7"}, dict(said.violations))
    assert error.retry_after_s == 1.5


def test_an_error_from_a_later_version_is_still_one():
    error = outcome(pb.SubmitJobsResult(error=error_pb2.ItemError(code=99, reason=999, message="new")))
    assert (error.status, error.reason_name) == (grpc.StatusCode.UNKNOWN, "UNSPECIFIED")


def refused(code, reason, message="refused"):
    return pb.SubmitJobsResult(error=error_pb2.ItemError(code=code.value[0], reason=reason, message=message))


async def test_each_item_of_a_batch_has_its_own_outcome_in_order(playing):
    async with playing() as (weft, gateway):
        good, bad = pb.SubmitJobRequest(request_id="a"), refused(grpc.StatusCode.INVALID_ARGUMENT, 3, "no such model")
        gateway.batches = [[in_batch(good), bad, in_batch(good)]]
        first, second, third = await weft.submit_many([chat("one"), chat("two"), chat("three")])
    assert first == third == accepted(good)
    assert isinstance(second, WeftError)
    assert second.reason_name == "UNKNOWN_MODEL"
    assert len(gateway.asked) == 1


async def test_every_item_has_a_request_id_and_keeps_the_one_it_brings(playing):
    mine = pb.SubmitJobRequest(request_id="mine", request=chat("two"))
    async with playing() as (weft, gateway):
        jobs = await weft.submit_many([chat("one"), mine, chat("one")])
    ids = [job.request_id for job in jobs]
    assert ids[1] == "mine"
    assert len({*ids, ""}) == 4
    assert gateway.asked[0].requests[1] == mine


async def test_items_that_are_unavailable_are_asked_for_again_and_no_others(playing):
    away, bad = refused(grpc.StatusCode.UNAVAILABLE, 50), refused(grpc.StatusCode.INVALID_ARGUMENT, 1)
    good = in_batch(pb.SubmitJobRequest(request_id="a"))
    async with playing() as (weft, gateway):
        gateway.batches = [[good, away, bad, away]]
        outcomes = await weft.submit_many([chat("one"), chat("two"), chat("three"), chat("four")])
    first, second = gateway.asked
    assert list(second.requests) == [first.requests[1], first.requests[3]]
    assert [isinstance(found, WeftError) for found in outcomes] == [False, False, True, False]


async def test_a_call_that_is_cut_off_is_repeated_under_the_same_ids(playing):
    async with playing() as (weft, gateway):
        gateway.failures = [Draining(retry_after_s=0.01)]
        [job] = await weft.submit_many([chat("one")])
    assert gateway.asked[0] == gateway.asked[1]
    assert job.state == job_pb2.JOB_STATE_QUEUED


async def test_a_call_that_is_refused_is_the_outcome_of_all_its_items(playing):
    async with playing() as (weft, gateway):
        gateway.failures = [Unauthenticated("no such key")]
        outcomes = await weft.submit_many([chat("one"), chat("two")])
    assert [found.reason_name for found in outcomes] == ["UNAUTHENTICATED"] * 2


async def test_webhooks_are_listed_sent_again_and_signed_anew(posting):
    async with posting() as (weft, webhooks):
        webhooks.deliveries = [webhook_pb2.Delivery(job_id="j"), webhook_pb2.Delivery(job_id="k")]
        webhooks.secrets = [webhook_pb2.WebhookSecret(secret="whsec_bmV3")]
        failed = [webhook_pb2.DELIVERY_STATE_FAILED]
        found = await weft.webhooks.deliveries(1, job_id="j", states=failed)
        again = await weft.webhooks.redeliver("j")
        assert await weft.webhooks.secrets() == webhooks.secrets == await weft.webhooks.rotate(3600)
        await weft.webhooks.rotate()
    listed, redelivered, rotated, by_default = webhooks.asked
    assert (found, again) == (webhooks.deliveries[:1], webhooks.deliveries[0])
    assert (listed.job_id, listed.states, listed.page_size, redelivered.job_id) == ("j", failed, 1, "j")
    assert rotated.overlap.ToTimedelta().total_seconds() == 3600
    assert not by_default.HasField("overlap")
