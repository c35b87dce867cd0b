"""All of a tenant deleted, with the operator's token, a piece at a time."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import grpc
import psycopg
import pytest
from tests.support.waiting import until

from weft.cache.v1 import cache_pb2, cache_pb2_grpc
from weft.common.v1 import error_pb2
from weft.gateway.v1 import gateway_pb2, gateway_pb2_grpc, webhook_pb2, webhook_pb2_grpc
from weft.gateway.v1 import tenant_pb2 as pb
from weft.gateway.v1 import tenant_pb2_grpc as rpc
from weft.job.v1 import event_pb2, job_pb2
from weft.retrieval.v1 import retrieval_pb2, retrieval_pb2_grpc
from weft_gateway.config import Config
from weft_gateway.server import gateway
from weft_kit.joblog import JobLog, kind_of, new_job_id
from weft_kit.rpc.context import current_tenant
from weft_kit.rpc.errors import FailedPrecondition
from weft_kit.rpc.server import Server, Service

Ask = Callable[..., job_pb2.GenerationRequest]
Refused = Callable[[Awaitable[Any]], Awaitable[Any]]
Work = Callable[..., Awaitable[event_pb2.Done]]

OPERATOR = (("authorization", "Bearer operator-token"),)
SECRET = "the patient's name"


class Behind(cache_pb2_grpc.CacheServiceServicer, retrieval_pb2_grpc.RetrievalServiceServicer):
    """Retrieval with collections by tenant, and jobs that store into some until they are cancelled; a cache."""

    def __init__(self) -> None:
        self.collections: dict[str, list[str]] = {}
        self.busy: set[str] = set()
        self.forgotten: list[str] = []

    async def Invalidate(self, request: cache_pb2.InvalidateRequest, _: object) -> cache_pb2.InvalidateResponse:
        assert request == cache_pb2.InvalidateRequest()
        self.forgotten.append(current_tenant())
        return cache_pb2.InvalidateResponse(invalidated=2)

    async def ListCollections(self, _: object, __: object) -> retrieval_pb2.ListCollectionsResponse:
        names = self.collections.get(current_tenant(), ())
        collections = [retrieval_pb2.Collection(name=name) for name in names]
        return retrieval_pb2.ListCollectionsResponse(collections=collections)

    async def DeleteCollection(
        self, request: retrieval_pb2.DeleteCollectionRequest, _: object
    ) -> retrieval_pb2.DeleteCollectionResponse:
        if request.name in self.busy:
            self.busy.discard(request.name)  # the cancelled job has stopped by the next call
            raise FailedPrecondition(error_pb2.ERROR_REASON_COLLECTION_BUSY, "a job still stores into it", job_id="i")
        self.collections[current_tenant()].remove(request.name)
        return retrieval_pb2.DeleteCollectionResponse()

    async def ListIngestJobs(self, _: object, __: object) -> retrieval_pb2.ListIngestJobsResponse:
        jobs = [retrieval_pb2.IngestJob(job_id=name) for name in self.busy]
        return retrieval_pb2.ListIngestJobsResponse(jobs=jobs)

    async def CancelIngestJob(self, _: object, __: object) -> retrieval_pb2.CancelIngestJobResponse:
        return retrieval_pb2.CancelIngestJobResponse()


@pytest.fixture
def behind() -> Behind:
    return Behind()


@pytest.fixture
async def server(config: Config, behind: Behind) -> AsyncIterator[Server]:
    services = (
        Service("cache", cache_pb2_grpc.add_CacheServiceServicer_to_server, behind),
        Service("retrieval", retrieval_pb2_grpc.add_RetrievalServiceServicer_to_server, behind),
    )
    async with Server("127.0.0.1:0", services, grace_s=0) as far:
        settings = {"cache_target": far.address, "retrieval_target": far.address, "key_fresh_s": 0.2}
        async with gateway(config.model_copy(update=settings)) as server:
            assert server is not None
            yield server


async def delete_once(server: Server, tenant: str, auth: Any = OPERATOR) -> pb.DeleteTenantResponse:
    async with grpc.aio.insecure_channel(server.address) as channel:
        return await rpc.TenantServiceStub(channel).DeleteTenant(pb.DeleteTenantRequest(tenant=tenant), metadata=auth)


async def delete(server: Server, tenant: str) -> list[pb.DeleteTenantResponse]:
    """Calls until nothing is left; returns all answers."""
    answers = []

    async def is_complete() -> bool:
        answers.append(await delete_once(server, tenant))
        return answers[-1].complete

    await until("nothing is left", is_complete, within_s=30)
    return answers


def stored(postgres_url: str, tenant: str) -> str:
    """All that PostgreSQL has of a tenant, and whatever holds the secret."""
    tables = ("jobs", "webhook_deliveries", "gateway_keys")
    with psycopg.connect(postgres_url) as session:
        found = [row for table in tables for row in session.execute(f"SELECT * FROM {table}").fetchall()]  # noqa: S608
    return repr([row for row in found if tenant in row or SECRET in repr(row)])


async def test_nothing_is_left_of_a_tenant_and_all_of_another(
    server: Server, new_caller: Any, ask: Ask, work: Work, log: JobLog, behind: Behind, postgres_url: str, recorded: Any
) -> None:
    mine, theirs = await new_caller(server), await new_caller(server)
    tenant, other = mine.key.tenant, theirs.key.tenant
    behind.collections = {tenant: ["a", "b"], other: ["c"]}
    over = await mine.submit(ask(SECRET, webhook_url="http://localhost:1/"))
    await work(over, SECRET)
    queued, urgent = await mine.submit(ask(SECRET)), await mine.submit(ask(SECRET, priority=job_pb2.PRIORITY_HIGH))
    kept = await theirs.submit(ask("theirs"))
    await recorded(mine, lambda jobs: len(jobs) == 3)
    answers = await delete(server, tenant)
    assert sum(answer.deleted_jobs for answer in answers) == 3
    assert sum(answer.cancelled_jobs for answer in answers) == 2
    assert sum(answer.deleted_collections for answer in answers) == 2
    assert sum(answer.revoked_keys for answer in answers) == 1
    assert behind.collections == {tenant: [], other: ["c"]}
    assert set(behind.forgotten) == {tenant}
    for job in (over, queued, urgent):
        assert [kind_of(event) for event in await log.events(job.job_id)] == ["deleted"]
    assert stored(postgres_url, tenant) == "[]"
    assert (await theirs.get(kept.job_id)).state == job_pb2.JOB_STATE_QUEUED
    (again,) = await delete(server, tenant)
    assert again == pb.DeleteTenantResponse(complete=True, invalidated_answers=2)


async def test_a_job_that_runs_is_stopped_first_and_deleted_when_it_has_ended(
    server: Server, new_caller: Any, ask: Ask, log: JobLog
) -> None:
    caller = await new_caller(server)
    job = await caller.submit(ask(SECRET))
    writer = log.writer(job.job_id, job.last_sequence)
    await writer.append(event_pb2.Started(attempt=1))
    async with log.cancel_signals() as cancelled:
        first = await delete_once(server, caller.key.tenant)
        assert await anext(cancelled) == job.job_id
    assert (first.complete, first.cancelled_jobs, first.deleted_jobs) == (False, 1, 0)
    second = await delete_once(server, caller.key.tenant)
    assert (second.complete, second.cancelled_jobs, second.deleted_jobs) == (False, 0, 0)
    last = await log.last(job.job_id)
    assert last is not None
    await log.writer(job.job_id, last.sequence).append(event_pb2.Done(state=job_pb2.JOB_STATE_CANCELLED))
    assert sum(answer.deleted_jobs for answer in await delete(server, caller.key.tenant)) == 1
    assert [kind_of(event) for event in await log.events(job.job_id)] == ["deleted"]


async def test_a_collection_that_a_job_stores_into_goes_once_that_has_stopped(
    server: Server, new_caller: Any, behind: Behind
) -> None:
    caller = await new_caller(server)
    behind.collections, behind.busy = {caller.key.tenant: ["a"]}, {"a"}
    first = await delete_once(server, caller.key.tenant)
    assert (first.complete, first.cancelled_jobs, first.deleted_collections) == (False, 1, 0)
    answers = await delete(server, caller.key.tenant)
    assert sum(answer.deleted_collections for answer in answers) == 1


async def test_keys_are_refused_and_a_tenant_that_comes_back_has_other_secrets(
    server: Server, new_caller: Any, ask: Ask, refused: Refused
) -> None:
    caller = await new_caller(server)
    before = await secrets(caller)
    await delete(server, caller.key.tenant)
    assert (await refused(caller.submit(ask()))).status is grpc.StatusCode.UNAUTHENTICATED
    back = await new_caller(server, tenant=caller.key.tenant)
    (after,) = await secrets(back)
    assert after not in before


async def secrets(caller: Any) -> list[str]:
    stub = webhook_pb2_grpc.WebhookServiceStub(caller.channel)
    answer = await stub.ListWebhookSecrets(webhook_pb2.ListWebhookSecretsRequest(), metadata=caller.auth)
    return [one.secret for one in answer.secrets]


async def test_what_is_damaged_or_was_set_aside_goes_too(
    server: Server, new_caller: Any, ask: Ask, log: JobLog, recorded: Any, postgres_url: str
) -> None:
    caller = await new_caller(server)
    tenant = caller.key.tenant
    job = await caller.submit(ask())
    damaged = f"{log.config.prefix}.{job.job_id.replace('-', '.')}.delta"
    await log.client.jetstream().publish(damaged, b"\xff")
    accepted = event_pb2.Accepted(tenant=tenant, request=ask(labels={"team": "\0"}))
    await log.accept(new_job_id(tenant, job_pb2.PRIORITY_NORMAL), accepted)
    await recorded(caller, lambda seen: len(seen) == 2)
    assert (await delete(server, tenant))[-1].complete
    assert [job_id async for job_id in log.jobs(tenant)] == []
    with psycopg.connect(postgres_url) as session:
        assert session.execute("SELECT count(*) FROM dead_letters").fetchone() == (0,)


async def test_only_the_operator_may(server: Server, new_caller: Any, refused: Refused) -> None:
    caller = await new_caller(server)
    error = await refused(delete_once(server, caller.key.tenant, caller.auth))
    assert error.status is grpc.StatusCode.UNAUTHENTICATED
    error = await refused(delete_once(server, "not a tenant"))
    assert error.violations.keys() == {"tenant"}


async def test_what_was_done_stays_done_while_a_part_does_not_answer(
    config: Config, new_caller: Any, ask: Ask, work: Work, refused: Refused, log: JobLog
) -> None:
    # Nobody answers for retrieval here, nor for the cache.
    async with gateway(config) as server:
        caller = await new_caller(server)
        job = await caller.submit(ask(SECRET))
        await work(job, SECRET)
        error = await refused(delete_once(server, caller.key.tenant))
        assert error.metadata == {"dependency": "retrieval"}
        assert [kind_of(event) for event in await log.events(job.job_id)] == ["deleted"]
        async with grpc.aio.insecure_channel(server.address) as channel:
            listed = await gateway_pb2_grpc.KeyServiceStub(channel).ListKeys(
                gateway_pb2.ListKeysRequest(tenant=caller.key.tenant), metadata=OPERATOR
            )
    assert listed.keys[0].HasField("revoke_time")
