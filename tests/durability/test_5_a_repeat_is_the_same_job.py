"""Promise 5: with a `request_id`, SubmitJob and Generate are idempotent through every gateway, and over its death.

That a repeat is told from a reuse by the hash of the request, as a rule: tests/gateway/jobs/test_repeats.py.
"""

from uuid import uuid4

import pytest
from tests.durability.environment import Environment
from tests.durability.gateway_client import gateway_client
from tests.durability.ledger import said_by_mock, succeeded

from weft.common.v1 import error_pb2
from weft.job.v1 import job_pb2
from weft_client.requests import chat
from weft_kit.rpc.errors import WeftError

pytestmark = pytest.mark.asyncio(loop_scope="package")


async def test_a_repeat_through_another_gateway_is_the_first_job(brisk: Environment) -> None:
    request, request_id = chat("Said twice", model="short"), uuid4().hex
    async with gateway_client(brisk, brisk.gateways[0]) as one, gateway_client(brisk, brisk.gateways[1]) as two:
        job = await one.submit(request, request_id)
        repeat = await two.submit(request, request_id)
        generated = [reply.event async for reply in two.generate(request, request_id)]
        late = [reply.event async for reply in one.generate(request, request_id)]

    found = await succeeded(brisk, job.job_id, said_by_mock("Said twice", 30))
    assert repeat.job_id == job.job_id
    assert generated == late == found.events


async def test_a_repeat_after_the_gateway_died_is_the_first_job(brisk: Environment) -> None:
    request, request_id = chat("Said before and after", model="short"), uuid4().hex
    first, second = brisk.gateways
    requests = brisk.mock.stats.requests
    async with gateway_client(brisk, first) as one, gateway_client(brisk, second) as two:
        job = await one.submit(request, request_id)
        first.kill()
        assert (await two.submit(request, request_id)).job_id == job.job_id
    await brisk.mend()
    async with gateway_client(brisk, first) as one:
        assert (await one.submit(request, request_id)).job_id == job.job_id

    await succeeded(brisk, job.job_id, said_by_mock("Said before and after", 30))
    assert brisk.mock.stats.requests == requests + 1


@pytest.mark.parametrize("call", ["SubmitJob", "Generate"])
async def test_another_request_under_the_same_id_is_refused_with_both_hashes(brisk: Environment, call: str) -> None:
    request_id = uuid4().hex
    async with gateway_client(brisk, brisk.gateways[0]) as one, gateway_client(brisk, brisk.gateways[1]) as two:
        job = await one.submit(chat("The first request", model="short"), request_id)
        other = chat("Another request", model="short")
        with pytest.raises(WeftError) as refused:
            if call == "SubmitJob":
                await two.submit(other, request_id)
            else:
                async with two.channel.streaming(two.generate(other, request_id)) as events:
                    await anext(events)

    found = await succeeded(brisk, job.job_id, said_by_mock("The first request", 30))
    assert refused.value.reason == error_pb2.ERROR_REASON_REQUEST_ID_REUSED
    hashes = refused.value.metadata["first_request_hash"], refused.value.metadata["request_hash"]
    assert hashes[0] == found.events[0].accepted.request_hash
    assert hashes[1] not in {"", hashes[0]}


async def test_another_priority_under_the_same_id_is_another_request(brisk: Environment) -> None:
    """It would wait in another lane, where the first job could be overlooked."""
    request_id = uuid4().hex
    async with gateway_client(brisk, brisk.gateways[0]) as one:
        job = await one.submit(chat("Whenever", model="short"), request_id)
        urgent = chat("Whenever", model="short")
        urgent.priority = job_pb2.PRIORITY_HIGH
        with pytest.raises(WeftError) as refused:
            await one.submit(urgent, request_id)

    await succeeded(brisk, job.job_id, said_by_mock("Whenever", 30))
    assert refused.value.reason == error_pb2.ERROR_REASON_REQUEST_ID_REUSED
