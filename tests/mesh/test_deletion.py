"""Jobs and tenants deleted through the one gateway, with every service behind it."""

import json
from collections.abc import Awaitable, Callable

import pytest
from tests.mesh.environment import Environment
from tests.support.command_line import weft
from tests.support.waiting import until

from weft.common.v1 import error_pb2
from weft.gateway.v1 import gateway_pb2 as pb
from weft.job.v1 import job_pb2
from weft_client.client import WeftClient
from weft_client.keys import KeyClient
from weft_client.requests import chat
from weft_kit.rpc.errors import WeftError

pytestmark = pytest.mark.asyncio(loop_scope="package")

QUESTION = "Who was it that nobody may remember?"


async def reason(call: Awaitable[object]) -> error_pb2.ErrorReason.ValueType:
    with pytest.raises(WeftError) as refused:
        await call
    return refused.value.reason


async def answered(weft: WeftClient, question: str = QUESTION) -> job_pb2.Job:
    """Asks for an answer that the cache may keep, and returns its job."""
    request = chat(question, temperature=0, max_tokens=64)
    request.sampling.stop.append(" ")  # an answer that only ran out of tokens is not kept
    generation = weft.run(request)
    async for _ in generation:
        pass
    return await weft.job(generation.job_id)


def cached(weft: WeftClient, more_than: int) -> Callable[[], Awaitable[bool]]:
    async def holds() -> bool:
        return (await weft.cache_stats()).entries > more_than

    return holds


async def test_a_deleted_job_is_gone_from_every_service_and_its_answer_from_the_cache(environment: Environment) -> None:
    async with environment.client() as client:
        before = (await client.cache_stats()).entries
        first = await answered(client)
        await until("the answer is stored", cached(client, before), 10.0)
        code, said, _ = await weft(
            "--endpoint", environment.endpoint, "--key", environment.key, "jobs", "delete", first.job_id
        )
        assert (code, said.strip()) == (0, f"{first.job_id} is deleted")
        assert await reason(client.job(first.job_id)) == error_pb2.ERROR_REASON_JOB_NOT_FOUND
        again = await answered(client)
        assert not again.HasField("cache_hit")


async def test_a_deleted_tenant_leaves_nothing_behind(environment: Environment) -> None:
    operator = ("--endpoint", environment.endpoint, "--operator-token", environment.operator_token)
    async with KeyClient(environment.endpoint, environment.operator_token) as keys:
        made = await keys.create("leaving", "test")
    async with WeftClient(environment.endpoint, made.secret) as client:
        await client.documents.ensure_collection("papers")
        await client.documents.ingest("papers", "will.md", b"# A will\n\nAll goes to the cat.\n")
        job = await answered(client)
        await until("the answer is stored", cached(client, 0), 10.0)
    code, said, _ = await weft(*operator, "tenants", "delete", "leaving", "--yes", "--json")
    total = json.loads(said)
    assert code == 0
    assert total["complete"]
    counts = {name: int(total[name]) for name in ("revoked_keys", "deleted_jobs", "deleted_collections")}
    assert counts == {"revoked_keys": 1, "deleted_jobs": 1, "deleted_collections": 1}
    async with KeyClient(environment.endpoint, environment.operator_token) as keys:
        assert [key async for key in keys.list("leaving")] == []
        back = await keys.create("leaving", "test")
    async with WeftClient(environment.endpoint, back.secret) as client:
        assert await client.jobs() == []
        assert await reason(client.job(job.job_id)) == error_pb2.ERROR_REASON_JOB_NOT_FOUND
        assert await reason(client.documents.search("papers", "cat")) == error_pb2.ERROR_REASON_COLLECTION_NOT_FOUND
        assert (await client.cache_stats()).entries == 0


async def test_a_tenant_is_not_deleted_unasked(environment: Environment) -> None:
    operator = ("--endpoint", environment.endpoint, "--operator-token", environment.operator_token)
    code, _, told = await weft(*operator, "tenants", "delete", "other")
    assert code == 1
    assert "for good: say --yes, there is nobody to ask here" in told
    async with environment.other_tenant() as client:
        assert isinstance(await client.usage(), pb.GetUsageResponse)
