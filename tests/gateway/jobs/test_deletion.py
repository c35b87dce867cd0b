"""Jobs deleted for good: out of the record, out of the log, out of the cache, and not to be brought back."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from typing import Any

import grpc
import psycopg
import pytest
from tests.gateway.conftest import Ask, Refused, Work
from tests.support.waiting import until

from weft.cache.v1 import cache_pb2, cache_pb2_grpc
from weft.common.v1 import error_pb2
from weft.gateway.v1 import gateway_pb2 as pb
from weft.job.v1 import event_pb2, job_pb2
from weft_gateway.config import Config
from weft_gateway.jobs.deletion import JobDeletion
from weft_gateway.postgres import record_database
from weft_gateway.record.job_query import AUDIT_LABEL, AUDIT_OF
from weft_gateway.record.postgres_erasure import ErasureStore
from weft_gateway.server import gateway
from weft_kit.joblog import JobLog, kind_of
from weft_kit.rpc.channel import Channel
from weft_kit.rpc.context import current_tenant
from weft_kit.rpc.errors import DependencyDown
from weft_kit.rpc.server import Server, Service

SECRET = "the patient's name"
EXACT = job_pb2.CachePolicy(mode=job_pb2.CACHE_MODE_EXACT)


class Cache(cache_pb2_grpc.CacheServiceServicer):
    """A cache that knows nothing, and remembers whose answers it was told to forget."""

    def __init__(self) -> None:
        self.forgotten: list[tuple[str, str]] = []
        self.is_down = False

    async def Lookup(self, _: cache_pb2.LookupRequest, __: object) -> cache_pb2.LookupResponse:
        return cache_pb2.LookupResponse(missed=cache_pb2.Missed())

    async def Invalidate(self, request: cache_pb2.InvalidateRequest, _: object) -> cache_pb2.InvalidateResponse:
        if self.is_down:
            raise DependencyDown("redis", "answers were not all forgotten; call Invalidate again")
        self.forgotten.append((current_tenant(), request.job_id))
        return cache_pb2.InvalidateResponse(invalidated=1)


@pytest.fixture
def cache() -> Cache:
    return Cache()


@pytest.fixture
async def server(config: Config, cache: Cache) -> AsyncIterator[Server]:
    add = cache_pb2_grpc.add_CacheServiceServicer_to_server
    behind = Server("127.0.0.1:0", (Service("cache", add, cache),), grace_s=0)
    async with behind, gateway(config.model_copy(update={"cache_target": behind.address})) as server:
        assert server is not None
        yield server


@pytest.fixture
def finished(caller: Any, ask: Ask, work: Work, recorded: Any) -> Callable[..., Awaitable[job_pb2.Job]]:
    """Submits a job, runs it to its end and waits until it is recorded."""

    async def run(request_id: str = "", **fields: Any) -> job_pb2.Job:
        job = await caller.submit(ask(SECRET, **{"cache": EXACT, **fields}), request_id)
        await work(job, SECRET)
        labels = dict(fields.get("labels", {}))
        await recorded(
            caller, lambda jobs: any(one.job_id == job.job_id and one.state > 2 for one in jobs), labels=labels
        )
        return job

    return run


async def delete(caller: Any, job_id: str) -> None:
    await caller.jobs.DeleteJob(pb.DeleteJobRequest(job_id=job_id), metadata=caller.auth)


def stored(postgres_url: str) -> str:
    with psycopg.connect(postgres_url) as session:
        found = session.execute("SELECT * FROM jobs").fetchall()
        found += session.execute("SELECT * FROM webhook_deliveries").fetchall()
    return repr(found)


async def test_a_deleted_job_is_found_nowhere(
    caller: Any, finished: Any, refused: Refused, log: JobLog, cache: Cache, postgres_url: str, receiver: Any
) -> None:
    job, other = await finished(webhook_url=receiver.url), await finished()
    await receiver.posts.get()
    await delete(caller, job.job_id)
    for call in (
        caller.get(job.job_id),
        caller.cancel(job.job_id),
        delete(caller, job.job_id),
        anext(aiter(caller.stream(job.job_id))),
        anext(aiter(caller.stream(job.job_id, 2**40))),
    ):
        error = await refused(call)
        assert (error.status, error.reason) == (grpc.StatusCode.NOT_FOUND, error_pb2.ERROR_REASON_JOB_NOT_FOUND)
    assert [one.job_id for one in (await caller.list()).jobs] == [other.job_id]
    assert [kind_of(event) for event in await log.events(job.job_id)] == ["deleted"]
    assert cache.forgotten == [(caller.key.tenant, job.job_id)]
    await delete(caller, other.job_id)
    assert SECRET not in stored(postgres_url)


@pytest.mark.parametrize("runs", [False, True])
async def test_a_job_that_is_not_over_is_refused(
    caller: Any, ask: Ask, refused: Refused, log: JobLog, *, runs: bool
) -> None:
    job = await caller.submit(ask())
    if runs:
        await log.writer(job.job_id, job.last_sequence).append(event_pb2.Started(attempt=1))
    error = await refused(delete(caller, job.job_id))
    assert (error.status, error.reason) == (grpc.StatusCode.FAILED_PRECONDITION, error_pb2.ERROR_REASON_JOB_NOT_OVER)
    assert "cancel" in error.message
    assert (await caller.get(job.job_id)).state != job_pb2.JOB_STATE_UNSPECIFIED


async def test_another_tenants_job_is_as_unknown_as_none(
    server: Server, caller: Any, finished: Any, new_caller: Any, refused: Refused
) -> None:
    job, other = await finished(), await new_caller(server)
    assert (await refused(delete(other, job.job_id))).reason == error_pb2.ERROR_REASON_JOB_NOT_FOUND
    assert (await caller.get(job.job_id)).answer.text == SECRET


async def test_the_request_id_of_a_deleted_job_makes_no_other(
    caller: Any, ask: Ask, finished: Any, refused: Refused
) -> None:
    job = await finished("order-1")
    await delete(caller, job.job_id)
    same = ask(SECRET, cache=EXACT)
    for call in (caller.submit(same, "order-1"), anext(aiter(caller.generate(same, "order-1")))):
        error = await refused(call)
        assert (error.status, error.reason) == (
            grpc.StatusCode.ALREADY_EXISTS,
            error_pb2.ERROR_REASON_REQUEST_ID_REUSED,
        )
        assert "deleted" in error.message
    assert (await caller.submit(same, "order-2")).state == job_pb2.JOB_STATE_QUEUED


async def test_a_recorder_that_comes_late_does_not_bring_it_back(
    config: Config, new_caller: Any, ask: Ask, work: Work, recorded: Any, postgres_url: str
) -> None:
    async with gateway(config, ("serve",)) as server:
        caller = await new_caller(server)
        job = await caller.submit(ask(SECRET, webhook_url="https://example.org/"))
        await work(job, SECRET)
        await delete(caller, job.job_id)
        async with gateway(config, ("recorder",)):
            last = await caller.submit(ask("another"))
            await recorded(caller, lambda jobs: [one.job_id for one in jobs] == [last.job_id])
    assert SECRET not in stored(postgres_url)
    assert "example.org" not in stored(postgres_url)


async def test_while_the_cache_cannot_forget_a_job_stays_and_a_repeat_deletes_it(
    caller: Any, finished: Any, refused: Refused, cache: Cache
) -> None:
    job, uncached = await finished(), await finished(cache=job_pb2.CachePolicy(mode=job_pb2.CACHE_MODE_OFF))
    cache.is_down = True
    assert (await refused(delete(caller, job.job_id))).status is grpc.StatusCode.UNAVAILABLE
    assert (await caller.get(job.job_id)).answer.text == SECRET
    await delete(caller, uncached.job_id)
    cache.is_down = False
    await delete(caller, job.job_id)
    assert cache.forgotten == [(caller.key.tenant, job.job_id)]


async def test_a_deletion_that_was_cut_off_is_finished_by_a_repeat(
    caller: Any, finished: Any, refused: Refused, log: JobLog, postgres_url: str
) -> None:
    job = await finished()
    last = await log.last(job.job_id)
    assert last is not None
    # As after a gateway's death between its last two steps.
    await log.writer(job.job_id, last.sequence).append(event_pb2.Deleted())
    assert (await refused(caller.get(job.job_id))).reason == error_pb2.ERROR_REASON_JOB_NOT_FOUND
    await delete(caller, job.job_id)
    assert [kind_of(event) for event in await log.events(job.job_id)] == ["deleted"]
    assert SECRET not in stored(postgres_url)


async def test_the_job_that_asks_it_again_for_the_cache_goes_with_it(
    caller: Any, ask: Ask, finished: Any, recorded: Any, log: JobLog, postgres_url: str
) -> None:
    job = await finished()
    about = {AUDIT_LABEL: "true", AUDIT_OF: job.job_id}
    queued = await caller.submit(ask(SECRET, labels=about))
    over = await finished(labels=about)
    await recorded(caller, lambda jobs: len(jobs) == 2, labels=about)
    await delete(caller, job.job_id)
    for gone in (job, queued, over):
        assert [kind_of(event) for event in await log.events(gone.job_id)] == ["deleted"]
    assert SECRET not in stored(postgres_url)


class CutOffLog(JobLog):
    """A log that goes away when one job is about to be erased, once."""

    cut_off_at = ""

    async def erase(self, job_id: str) -> None:
        if job_id == self.cut_off_at:
            self.cut_off_at = ""
            raise DependencyDown("nats", "the log does not answer; retry")
        await super().erase(job_id)


async def test_the_job_that_asks_it_again_goes_also_when_the_deletion_was_cut_off(
    caller: Any, finished: Any, recorded: Any, log: JobLog, postgres_url: str
) -> None:
    job = await finished()
    about = {AUDIT_LABEL: "true", AUDIT_OF: job.job_id}
    again = await finished(labels=about)
    await recorded(caller, lambda jobs: len(jobs) == 1, labels=about)
    cut_off = CutOffLog(log.client, log.config)
    cut_off.cut_off_at = again.job_id
    async with record_database(postgres_url) as database, Channel("127.0.0.1:1", "cache") as nowhere:
        deletion = JobDeletion(cut_off, ErasureStore(database), nowhere)
        known = [event for event in await log.events(job.job_id) if event.HasField("done")]
        known[-1].done.cache_hit.SetInParent()  # so that there is nothing to forget
        with pytest.raises(DependencyDown):
            await deletion.delete(caller.key.tenant, job.job_id, known)
    await delete(caller, job.job_id)
    for gone in (job, again):
        assert [kind_of(event) for event in await log.events(gone.job_id)] == ["deleted"]
    assert SECRET not in stored(postgres_url)


async def test_a_job_past_the_logs_retention_is_deleted_from_the_record(
    caller: Any, finished: Any, refused: Refused, log: JobLog, postgres_url: str
) -> None:
    job = await finished()
    await log.client.jetstream().purge_stream(log.config.stream)
    assert (await caller.get(job.job_id)).answer.text == SECRET
    await delete(caller, job.job_id)
    assert (await refused(caller.get(job.job_id))).reason == error_pb2.ERROR_REASON_JOB_NOT_FOUND
    assert SECRET not in stored(postgres_url)


async def test_deleting_needs_the_log(
    config: Config, nats_proxy: Any, new_caller: Any, ask: Ask, work: Work, refused: Refused
) -> None:
    proxy, url = nats_proxy
    settings = {"nats_url": url, "log": replace(config.log, accept_timeout_s=1.0)}
    async with gateway(config.model_copy(update=settings), ("serve",)) as server:
        caller = await new_caller(server)
        job = await caller.submit(ask(SECRET))
        await work(job, SECRET)
        await proxy.cut()
        error = await refused(delete(caller, job.job_id))
        assert (error.status, error.metadata) == (grpc.StatusCode.UNAVAILABLE, {"dependency": "nats"})
        await proxy.mend()


async def test_deleting_needs_postgres(
    config: Config, postgres_proxy: Any, new_caller: Any, ask: Ask, work: Work, refused: Refused
) -> None:
    proxy, url = postgres_proxy
    async with gateway(config.model_copy(update={"postgres_url": url}), ("serve",)) as server:
        caller = await new_caller(server)
        job = await caller.submit(ask(SECRET))
        await work(job, SECRET)
        await proxy.cut()
        error = await refused(delete(caller, job.job_id))
        assert error.metadata == {"dependency": "postgresql"}
        assert (await caller.get(job.job_id)).answer.text == SECRET
        await proxy.mend()

        async def is_deleted() -> bool:
            try:
                await delete(caller, job.job_id)
            except grpc.aio.AioRpcError as failed:
                if failed.code() is grpc.StatusCode.UNAVAILABLE:
                    return False
                raise
            return True

        await until("the job is deleted", is_deleted, within_s=20)
        assert (await refused(caller.get(job.job_id))).reason == error_pb2.ERROR_REASON_JOB_NOT_FOUND
