"""Calls that are open when their key is revoked: they end within the life of a key in the cache."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from tests.support.tcp_proxy import proxied

from weft.common.v1 import error_pb2
from weft.gateway.v1 import gateway_pb2 as pb
from weft.gateway.v1 import gateway_pb2_grpc as rpc
from weft.gateway.v1 import tenant_pb2, tenant_pb2_grpc
from weft.job.v1 import job_pb2
from weft.retrieval.v1 import retrieval_pb2, retrieval_pb2_grpc
from weft_gateway.auth.postgres_keys import KeyStore
from weft_gateway.config import Config
from weft_gateway.server import gateway
from weft_kit.joblog import JobLog, kind_of
from weft_kit.rpc.server import Server, Service

Ask = Callable[..., job_pb2.GenerationRequest]
Refused = Callable[[Awaitable[Any]], Awaitable[Any]]
OPERATOR = (("authorization", "Bearer operator-token"),)
FRESH_S = 0.4


class Behind(retrieval_pb2_grpc.RetrievalServiceServicer):
    """Retrieval whose ingest jobs go on for ever, and that tells when nobody watches one any more."""

    def __init__(self) -> None:
        self.is_watched = asyncio.Event()
        self.is_left = asyncio.Event()

    async def WatchIngestJob(
        self, _request: retrieval_pb2.WatchIngestJobRequest, _: object
    ) -> AsyncIterator[retrieval_pb2.WatchIngestJobResponse]:
        try:
            yield retrieval_pb2.WatchIngestJobResponse()
            self.is_watched.set()
            await asyncio.Event().wait()
        finally:
            self.is_left.set()


@pytest.fixture
def behind() -> Behind:
    return Behind()


@asynccontextmanager
async def serving(config: Config, behind: Behind, **settings: Any) -> AsyncIterator[Server]:
    service = Service("retrieval", retrieval_pb2_grpc.add_RetrievalServiceServicer_to_server, behind)
    async with Server("127.0.0.1:0", (service,), grace_s=0) as far:
        chosen = {"retrieval_target": far.address, "key_fresh_s": FRESH_S, **settings}
        async with gateway(config.model_copy(update=chosen)) as server:
            assert server is not None
            yield server


@pytest.fixture
async def server(config: Config, behind: Behind) -> AsyncIterator[Server]:
    async with serving(config, behind) as server:
        yield server


async def revoke(caller: Any) -> None:
    stub = rpc.KeyServiceStub(caller.channel)
    await stub.RevokeKey(pb.RevokeKeyRequest(key_id=caller.key.key_id), metadata=OPERATOR)


async def drained(stream: Any) -> None:
    """Reads to the end, which a key that is never revoked does not come to."""
    async with asyncio.timeout(20):
        while await stream.read() is not grpc.aio.EOF:
            pass


async def opened(caller: Any, ask: Ask) -> tuple[job_pb2.Job, list[Any]]:
    """Opens one of each kind of call that lasts; returns the job they are of, and what each comes to."""
    job = await caller.submit(ask())
    read, generated = caller.stream(job.job_id), caller.generate(ask("another"))
    for stream in (read, generated):
        assert await stream.read() is not grpc.aio.EOF
    watch = retrieval_pb2_grpc.RetrievalServiceStub(caller.channel).WatchIngestJob
    watched = watch(retrieval_pb2.WatchIngestJobRequest(job_id="i"), metadata=caller.auth)
    assert await watched.read() is not grpc.aio.EOF
    waiting = asyncio.create_task(caller.get(job.job_id, wait=Duration(seconds=60)))
    return job, [waiting, *(asyncio.create_task(drained(stream)) for stream in (read, generated, watched))]


async def test_calls_of_a_revoked_key_end_and_those_of_others_go_on(
    server: Server, new_caller: Any, ask: Ask, refused: Refused, behind: Behind, work: Any
) -> None:
    mine, theirs = await new_caller(server), await new_caller(server)
    colleague = await new_caller(server, tenant=mine.key.tenant)
    job, calls = await opened(mine, ask)
    others = [await caller.submit(ask()) for caller in (theirs, colleague)]
    streams = [caller.stream(other.job_id) for caller, other in zip((theirs, colleague), others, strict=True)]
    for stream in streams:
        await stream.read()
    await revoke(mine)
    for call in calls:
        error = await refused(call)
        assert (error.status, error.reason) == (grpc.StatusCode.UNAUTHENTICATED, error_pb2.ERROR_REASON_UNAUTHENTICATED)
        assert "revoked" in error.message
    async with asyncio.timeout(20):
        await behind.is_left.wait()
    # The job itself is the tenant's, and runs on.
    assert (await colleague.get(job.job_id)).state == job_pb2.JOB_STATE_QUEUED
    for stream, other in zip(streams, others, strict=True):
        await work(other, "a")
        await drained(stream)


async def test_the_streams_of_a_deleted_tenant_end(server: Server, new_caller: Any, refused: Refused) -> None:
    caller, operator = await new_caller(server), await new_caller(server)
    watch = retrieval_pb2_grpc.RetrievalServiceStub(caller.channel).WatchIngestJob
    watched = watch(retrieval_pb2.WatchIngestJobRequest(job_id="i"), metadata=caller.auth)
    await watched.read()
    request = tenant_pb2.DeleteTenantRequest(tenant=caller.key.tenant)
    # There is no cache here: the keys are revoked before that is found.
    await refused(tenant_pb2_grpc.TenantServiceStub(operator.channel).DeleteTenant(request, metadata=OPERATOR))
    assert (await refused(drained(watched))).status is grpc.StatusCode.UNAUTHENTICATED


async def test_a_revocation_at_another_gateway_ends_streams_here(
    config: Config, server: Server, behind: Behind, new_caller: Any, ask: Ask, refused: Refused
) -> None:
    caller = await new_caller(server)
    job = await caller.submit(ask())
    stream = caller.stream(job.job_id)
    await stream.read()
    async with serving(config, behind) as elsewhere:
        await revoke(Elsewhere(caller, (await new_caller(elsewhere)).channel))
        assert (await refused(drained(stream))).status is grpc.StatusCode.UNAUTHENTICATED


class Elsewhere:
    """A caller's key at another gateway."""

    def __init__(self, caller: Any, channel: Any) -> None:
        self.key, self.channel = caller.key, channel


async def test_a_caller_cut_off_so_has_left_the_job(
    server: Server, new_caller: Any, ask: Ask, refused: Refused, log: JobLog
) -> None:
    caller = await new_caller(server)
    stream = caller.generate(ask(), on_disconnect=pb.ON_DISCONNECT_CANCEL)
    first = await stream.read()
    await revoke(caller)
    assert (await refused(drained(stream))).status is grpc.StatusCode.UNAUTHENTICATED
    async with asyncio.timeout(20):
        while kind_of((await log.events(first.event.job_id))[-1]) != "done":  # noqa: ASYNC110  # a log tells nobody
            await asyncio.sleep(0.01)


async def test_while_postgresql_is_away_no_stream_is_ended_and_once_it_is_back_those_are(
    config: Config, behind: Behind, postgres_url: str, new_caller: Any, ask: Ask, refused: Refused
) -> None:
    async with proxied(postgres_url) as (proxy, url), serving(config, behind, postgres_url=url) as server:
        caller, good = await new_caller(server), await new_caller(server)
        streams = []
        for each in (caller, good):
            job = await each.submit(ask())
            streams.append(each.stream(job.job_id))
            await streams[-1].read()
        await proxy.cut()
        async with serving(config, behind) as elsewhere:
            await revoke(Elsewhere(caller, (await new_caller(elsewhere)).channel))
        held = asyncio.create_task(drained(streams[0]))
        done, _ = await asyncio.wait([held], timeout=4 * FRESH_S)
        assert not done
        await proxy.mend()
        assert (await refused(held)).status is grpc.StatusCode.UNAUTHENTICATED
        assert not streams[1].done()


async def test_all_streams_share_one_question(
    config: Config, behind: Behind, new_caller: Any, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: asyncio.Queue[int] = asyncio.Queue()
    good = KeyStore.good

    async def counted(store: KeyStore, key_ids: Any) -> set[str]:
        asked.put_nowait(len(key_ids))
        return await good(store, key_ids)

    monkeypatch.setattr(KeyStore, "good", counted)
    async with serving(config, behind) as server:
        callers = [await new_caller(server) for _ in range(3)]
        streams = []
        for caller in (*callers, *callers):
            job = await caller.submit(ask())
            streams.append(caller.stream(job.job_id))
            await streams[-1].read()
        async with asyncio.timeout(20):
            while await asked.get() != 3:
                pass
            before = asyncio.get_running_loop().time()
            for _ in range(3):
                assert await asked.get() == 3
        # Three more questions took at least two of the waits between them, however many streams there are.
        assert asyncio.get_running_loop().time() - before > FRESH_S / 2
