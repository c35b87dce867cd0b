"""Many requests in one call: each answered for itself, all counted."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import grpc
import pytest

from weft.common.v1 import error_pb2
from weft.gateway.v1 import gateway_pb2 as pb
from weft.job.v1 import event_pb2, job_pb2
from weft_gateway.submission.batch import outcomes
from weft_kit.joblog import JobLog
from weft_kit.rpc.errors import DependencyDown
from weft_kit.rpc.server import Server
from weft_kit.tasks import background

Ask = Callable[..., job_pb2.GenerationRequest]
Refused = Callable[[Awaitable[Any]], Awaitable[Any]]
Work = Callable[..., Awaitable[event_pb2.Done]]


def item(request: job_pb2.GenerationRequest, request_id: str = "") -> pb.SubmitJobRequest:
    return pb.SubmitJobRequest(request_id=request_id, request=request)


async def test_a_thousand_requests_are_a_thousand_jobs_in_their_order(caller: Any, ask: Ask, log: JobLog) -> None:
    results = await caller.submit_all(*(item(ask(f"Question {i}")) for i in range(1000)))
    assert [result.job.request.messages[0].parts[0].text for result in results] == [
        f"Question {i}" for i in range(1000)
    ]
    assert {result.job.state for result in results} == {job_pb2.JOB_STATE_QUEUED}
    assert (await log.depth(caller.key.tenant)).queued == 1000


async def test_one_that_is_refused_does_not_keep_the_others_out(caller: Any, ask: Ask) -> None:
    good, bad, unknown = item(ask()), item(ask("")), item(ask(model="gpt-9"))
    results = await caller.submit_all(good, bad, unknown, good)
    assert [result.WhichOneof("outcome") for result in results] == ["job", "error", "error", "job"]
    assert results[0].job.job_id != results[3].job.job_id


@pytest.mark.parametrize(
    "wrong", [{"text": ""}, {"model": "gpt-9"}, {"text": "x" * 4_300_000}, {"text": "not the first body"}]
)
async def test_an_items_error_is_the_single_calls_error(
    caller: Any, ask: Ask, refused: Refused, wrong: dict[str, Any]
) -> None:
    await caller.submit(ask("the first body"), "used")
    request = ask(**wrong)
    single = await refused(caller.submit(request, "used"))
    (result,) = await caller.submit_all(item(request, "used"))
    error = result.error
    assert (error.code, error.reason, error.message) == (single.status.value[0], single.reason, single.message)
    assert dict(error.metadata) == single.metadata
    assert dict(error.violations) == single.violations
    assert error.HasField("retry_after") == (single.retry_after_s is not None)


async def test_two_items_with_one_request_id_and_body_are_one_job(caller: Any, ask: Ask, recorded: Any) -> None:
    results = await caller.submit_all(*(item(ask(), "same") for _ in range(20)))
    assert len({result.job.job_id for result in results}) == 1
    assert len(await recorded(caller, bool)) == 1


async def test_a_batch_that_is_sent_again_returns_its_jobs(caller: Any, ask: Ask, work: Work) -> None:
    items = [item(ask(f"Question {i}"), f"order-{i}") for i in range(5)]
    first = await caller.submit_all(*items)
    await work(first[2].job, "answer")
    again = await caller.submit_all(*items)
    assert [result.job.job_id for result in again] == [result.job.job_id for result in first]
    assert again[2].job.answer.text == "answer"


async def test_other_calls_have_a_turn_between_any_two_requests_of_a_batch() -> None:
    begun = most = 0

    async def submit() -> job_pb2.Job:
        nonlocal begun
        begun += 1
        return job_pb2.Job()

    async def others() -> None:
        nonlocal most
        while True:
            before = begun
            await asyncio.sleep(0)
            most = max(most, begun - before)

    async with background(others()):
        await outcomes(submit() for _ in range(200))
    assert (begun, most) == (200, 1)


@pytest.mark.parametrize("count", [0, 1001])
async def test_a_batch_holds_one_to_a_thousand_requests(caller: Any, ask: Ask, refused: Refused, count: int) -> None:
    error = await refused(caller.submit_all(*(item(ask()) for _ in range(count))))
    assert error.status is grpc.StatusCode.INVALID_ARGUMENT
    assert error.violations.keys() == {"requests"}


async def test_a_batch_too_large_to_be_answered_is_refused_with_both_numbers(
    caller: Any, ask: Ask, refused: Refused
) -> None:
    error = await refused(caller.submit_all(*(item(ask("x" * 1_000_000)) for _ in range(35))))
    assert error.reason == error_pb2.ERROR_REASON_REQUEST_TOO_LARGE
    assert int(error.metadata["size_bytes"]) > 35_000_000 > int(error.metadata["limit_bytes"])


@pytest.mark.parametrize(("dependency", "are_tried"), [("nats", 64), ("redis", 100)])
async def test_only_a_log_that_is_away_ends_a_batch_for_those_that_have_not_begun(
    dependency: str, are_tried: int
) -> None:
    """Each that has a budget asks Redis by itself: late for one, it may be in time for the next."""
    tried: list[int] = []
    all_places_taken = asyncio.Event()

    async def submit(place: int) -> job_pb2.Job:
        tried.append(place)
        if len(tried) == 64:
            all_places_taken.set()
        await all_places_taken.wait()
        if place == 0:
            raise DependencyDown(dependency, "it does not answer; retry")
        return job_pb2.Job(job_id=str(place))

    found = await outcomes(submit(place) for place in range(100))
    assert len(tried) == are_tried
    assert sum(isinstance(one, DependencyDown) for one in found) == 1 + 100 - are_tried


async def test_a_batch_counts_as_all_of_its_calls(
    server: Server, new_caller: Any, ask: Ask, refused: Refused, log: JobLog
) -> None:
    # 60 calls a minute, of which 10 may come at once.
    caller = await new_caller(server, calls_per_minute=60)
    await caller.submit_all(*(item(ask()) for _ in range(7)))
    error = await refused(caller.submit_all(*(item(ask()) for _ in range(7))))
    assert error.status is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert error.reason == error_pb2.ERROR_REASON_RATE_LIMITED
    # The gateway took one: 8 of 10 are gone, and 6 more are 4 too many.
    assert 3 < error.retry_after_s <= 4
    assert (await log.depth(caller.key.tenant)).queued == 7


async def test_a_batch_larger_than_any_burst_is_told_how_large_it_may_be(
    server: Server, new_caller: Any, ask: Ask, refused: Refused
) -> None:
    caller = await new_caller(server, calls_per_minute=60)
    error = await refused(caller.submit_all(*(item(ask()) for _ in range(11))))
    assert "at most 10 at once" in error.violations["requests"]
    assert len(await caller.submit_all(*(item(ask()) for _ in range(9)))) == 9


async def test_batches_at_once_share_what_the_tenant_may_have(caller: Any, ask: Ask, recorded: Any) -> None:
    batches = [caller.submit_all(*(item(ask(), f"order-{i}") for i in range(50))) for _ in range(4)]
    results = await asyncio.gather(*batches)
    ids = [[result.job.job_id for result in batch] for batch in results]
    assert all(batch == ids[0] for batch in ids)
    assert len(await recorded(caller, lambda jobs: len(jobs) >= 50, page_size=100)) == 50
