"""Promise 6: a job past its `expire_time` ends EXPIRED: in the queue without a provider, running with its tokens kept.

That a call's deadline counts only with `expire_with_call`, for every kind of call:
tests/gateway/jobs/test_deadlines.py.
"""

import pytest
from google.protobuf.duration_pb2 import Duration
from tests.durability.environment import Environment
from tests.durability.gateway_client import gateway_client
from tests.durability.ledger import ending, said_by_mock
from tests.support.waiting import until

from weft.common.v1 import error_pb2
from weft.job.v1 import job_pb2
from weft_client.requests import chat

pytestmark = pytest.mark.asyncio(loop_scope="package")


def living(prompt: str, seconds: int) -> job_pb2.GenerationRequest:
    request = chat(prompt, model="endless")
    request.timeout.CopyFrom(Duration(seconds=seconds))
    return request


def life_s(job: job_pb2.Job) -> float:
    return (job.expire_time.ToNanoseconds() - job.accept_time.ToNanoseconds()) / 1e9


async def test_a_job_that_expires_in_the_queue_costs_no_provider_call(brisk: Environment) -> None:
    before = brisk.mock.stats.requests
    async with gateway_client(brisk, brisk.gateways[0], "narrow") as narrow:
        # This tenant may have one job in workers' hands.
        first = await narrow.submit(chat("In the way", model="endless"))
        await until("the first job runs", lambda: runs(brisk, first.job_id))
        second = await narrow.submit(living("Too late", 1))
        expired = await narrow.get(second.job_id, wait_s=10)
        await narrow.cancel(first.job_id)

    assert expired.state == job_pb2.JOB_STATE_EXPIRED
    assert brisk.mock.stats.requests == before + 1
    found = await ending(brisk, second.job_id, "narrow")
    assert found.kinds == ["accepted", "done"]
    assert found.done.error.reason == error_pb2.ERROR_REASON_EXPIRED


async def test_a_job_that_expires_while_it_runs_keeps_its_tokens(brisk: Environment) -> None:
    before = brisk.mock.stats.aborted
    async with gateway_client(brisk, brisk.gateways[0]) as acme:
        job = await acme.submit(living("Not in time", 1))
        found = await ending(brisk, job.job_id)

    assert found.done.state == job_pb2.JOB_STATE_EXPIRED
    assert found.done.answer.text
    assert said_by_mock("Not in time", 4000).startswith(found.done.answer.text)
    assert brisk.mock.stats.aborted == before + 1


async def test_a_job_that_expires_while_no_worker_lives_still_ends(brisk: Environment) -> None:
    for router in brisk.routers:
        router.kill()
    async with gateway_client(brisk, brisk.gateways[0]) as acme:
        job = await acme.submit(living("Nobody cares", 1))
        buried = await acme.get(job.job_id, wait_s=20)
    await brisk.mend()

    assert buried.state == job_pb2.JOB_STATE_EXPIRED
    found = await ending(brisk, job.job_id)
    assert found.kinds == ["accepted", "done"]


async def test_a_call_shortens_its_jobs_life_only_when_it_asks_to(brisk: Environment) -> None:
    async with gateway_client(brisk, brisk.gateways[0]) as acme:
        long = await acme.submit(chat("Default", model="short"))
        short = await acme.submit(chat("Asked", model="short"), expire_with_call=True)

    assert life_s(long) == pytest.approx(600, abs=1)
    assert life_s(short) == pytest.approx(20, abs=1)


async def runs(environment: Environment, job_id: str) -> bool:
    last = await environment.log.last(job_id)
    return last is not None and last.HasField("delta")
