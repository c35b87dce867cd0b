"""Served answers are asked for again in the background, without anybody noticing."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from prometheus_client import REGISTRY

from weft.cache.v1 import cache_pb2, cache_pb2_grpc
from weft.common.v1 import chat_pb2
from weft.job.v1 import event_pb2, job_pb2
from weft_gateway.config import Config
from weft_gateway.server import gateway
from weft_gateway.submission.audits import second_asking
from weft_kit.joblog import JobLog, Lease, Leases
from weft_kit.rpc.server import Server, Service

Ask = Callable[..., job_pb2.GenerationRequest]
AUDIT = job_pb2.Audit(partition="p", served_text="Rayleigh scattering")
GREEDY = chat_pb2.SamplingParams(temperature=0)


class Shelf(cache_pb2_grpc.CacheServiceServicer):
    """Knows the answer to everything, and wants all of it asked again."""

    async def Lookup(self, request: cache_pb2.LookupRequest, _: object) -> cache_pb2.LookupResponse:
        hit = job_pb2.CacheHit(tier=job_pb2.CACHE_MODE_SEMANTIC, similarity=0.9)
        answer = job_pb2.Answer(text=AUDIT.served_text)
        return cache_pb2.LookupResponse(found=cache_pb2.Found(answer=answer, hit=hit, audit=AUDIT))


@asynccontextmanager
async def served(config: Config) -> AsyncIterator[Server]:
    """A gateway before such a cache."""
    add = cache_pb2_grpc.add_CacheServiceServicer_to_server
    cache = Service("weft.cache.v1.CacheService", add, Shelf())
    async with (
        Server("127.0.0.1:0", [cache], grace_s=0) as shelf,
        gateway(config.model_copy(update={"cache_target": shelf.address})) as server,
    ):
        assert server is not None
        yield server


@pytest.fixture
async def caller(config: Config, new_caller: Any) -> AsyncIterator[Any]:
    async with served(config) as server:
        yield await new_caller(server)


@pytest.fixture
async def next_job(caller: Any, log: JobLog) -> AsyncIterator[Callable[[], Awaitable[Lease]]]:
    """What a worker is handed next."""
    async with Leases(log, slots=8).leases() as leases:
        yield lambda: asyncio.wait_for(anext(leases), 20)


def counted(outcome: str) -> float:
    return REGISTRY.get_sample_value("weft_gateway_audits_total", {"outcome": outcome}) or 0.0


async def test_a_served_answer_is_asked_for_again_as_a_job_of_its_own(
    caller: Any, ask: Ask, next_job: Callable[[], Awaitable[Lease]]
) -> None:
    job = await caller.submit(ask(sampling=GREEDY, labels={"team": "red"}, webhook_url="http://localhost/hook"))
    assert job.state == job_pb2.JOB_STATE_SUCCEEDED
    again = (await next_job()).event
    envelope, request = again.accepted, again.accepted.request
    assert again.job_id != job.job_id
    assert envelope.audit == AUDIT
    assert (envelope.tenant, envelope.key_id) == (caller.key.tenant, caller.key.key_id)
    assert (request.cache.mode, request.priority) == (job_pb2.CACHE_MODE_OFF, job_pb2.PRIORITY_LOW)
    assert dict(request.labels) == {"weft.audit": "true", "weft.audit_of": job.job_id}
    assert request.webhook_url == ""
    assert request.messages == ask().messages


async def test_its_record_is_listed_only_for_who_asks_for_it(
    caller: Any, ask: Ask, recorded: Any, next_job: Callable[[], Awaitable[Lease]]
) -> None:
    job = await caller.submit(ask(sampling=GREEDY))
    again = await next_job()
    (found,) = await recorded(caller, bool, labels={"weft.audit": "true"})
    assert (found.job_id, found.state) == (again.event.job_id, job_pb2.JOB_STATE_QUEUED)
    assert [one.job_id for one in await recorded(caller, bool)] == [job.job_id]
    assert list(await recorded(caller, bool, labels={"weft.audit_of": job.job_id, "weft.audit": "true"})) == [found]


async def test_a_full_queue_drops_it_and_the_caller_has_the_answer(
    config: Config, new_caller: Any, ask: Ask, log: JobLog
) -> None:
    config.catalog_file.write_text(f"{config.catalog_file.read_text()}\n[default_share]\nmax_unfinished = 1\n")
    queued, dropped = counted("queued"), counted("QUOTA_EXCEEDED")
    async with served(config) as server, asyncio.timeout(20):
        caller = await new_caller(server)
        while counted("QUOTA_EXCEEDED") == dropped:
            assert (await caller.submit(ask(sampling=GREEDY))).state == job_pb2.JOB_STATE_SUCCEEDED
        assert (await log.depth(caller.key.tenant)).unfinished == counted("queued") - queued == 1


def envelope(request: job_pb2.GenerationRequest) -> event_pb2.Accepted:
    accepted = event_pb2.Accepted(tenant="acme", key_id="k", request=request, request_id="r", request_hash="h")
    accepted.expire_time.FromSeconds(1_800_000_000)
    return accepted


def test_it_asks_the_same_from_the_same_and_only_once(ask: Ask) -> None:
    retrieval = job_pb2.RetrievalOptions(collection="docs", top_k=3)
    routing = job_pb2.Routing(prefer_region="eu", first_of=4, draft=True)
    policy = job_pb2.CachePolicy(mode=job_pb2.CACHE_MODE_SEMANTIC, tags=["hr"])
    asked = envelope(ask(sampling=GREEDY, retrieval=retrieval, routing=routing, cache=policy))
    again = second_asking("job-1", asked, AUDIT)
    assert (again.request.retrieval, again.request.sampling) == (retrieval, GREEDY)
    assert again.request.routing == job_pb2.Routing(prefer_region="eu")
    assert again.request.cache == job_pb2.CachePolicy(mode=job_pb2.CACHE_MODE_OFF)
    assert again.expire_time == asked.expire_time
    assert (again.request_id, again.audit) == ("", AUDIT)
    assert again.request_hash != asked.request_hash


def test_what_was_asked_is_left_as_it_was(ask: Ask) -> None:
    asked = envelope(ask(sampling=GREEDY))
    before = asked.SerializeToString(deterministic=True)
    second_asking("job-1", asked, AUDIT)
    assert asked.SerializeToString(deterministic=True) == before
