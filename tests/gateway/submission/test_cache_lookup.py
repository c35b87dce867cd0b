"""Answers the cache already has, given before a job is queued."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration
from prometheus_client import REGISTRY

from weft.cache.v1 import cache_pb2, cache_pb2_grpc
from weft.common.v1 import chat_pb2, error_pb2
from weft.job.v1 import job_pb2
from weft.retrieval.v1 import retrieval_pb2, retrieval_pb2_grpc
from weft_gateway.config import Config
from weft_gateway.server import gateway
from weft_gateway.submission.cache_lookup import CacheLookup
from weft_kit.catalog.catalog import Catalog
from weft_kit.joblog import JobLog, kind_of, text_hash
from weft_kit.rpc.channel import Channel
from weft_kit.rpc.context import CallContext, bound, current_tenant
from weft_kit.rpc.errors import NotFound
from weft_kit.rpc.server import Server, Service

Ask = Callable[..., job_pb2.GenerationRequest]

EXACT, SEMANTIC = job_pb2.CACHE_MODE_EXACT, job_pb2.CACHE_MODE_SEMANTIC
SETTINGS = ("off", "exact", "semantic")
GREEDY = chat_pb2.SamplingParams(temperature=0)
SOON_S = 0.4
DOCS = job_pb2.RetrievalOptions(collection="docs")
FOUND = cache_pb2.Found(
    answer=job_pb2.Answer(text="Rayleigh scattering", provider="local", provider_model="m"),
    hit=job_pb2.CacheHit(tier=job_pb2.CACHE_MODE_EXACT, similarity=1, age=Duration(seconds=3)),
)


class Shelf(cache_pb2_grpc.CacheServiceServicer, retrieval_pb2_grpc.RetrievalServiceServicer):
    """A cache that knows one answer, on one version of one collection, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, int]] = []
        self.modes: list[job_pb2.CacheMode.ValueType] = []
        self.found = FOUND
        self.looks = asyncio.Event()
        """Cleared, it holds back what is asked of the model "held"."""
        self.looks.set()

    async def Lookup(self, request: cache_pb2.LookupRequest, _: object) -> cache_pb2.LookupResponse:
        self.asked.append((current_tenant(), request.collection_version))
        self.modes.append(request.request.cache.mode)
        if request.request.model == "held":
            await self.looks.wait()
        if request.request.model == "large":
            return cache_pb2.LookupResponse(missed=cache_pb2.Missed())
        return cache_pb2.LookupResponse(found=self.found)

    async def GetCollection(
        self, request: retrieval_pb2.GetCollectionRequest, _: object
    ) -> retrieval_pb2.GetCollectionResponse:
        if request.name != "docs":
            raise NotFound(error_pb2.ERROR_REASON_COLLECTION_NOT_FOUND, "no such collection")
        return retrieval_pb2.GetCollectionResponse(collection=retrieval_pb2.Collection(name="docs", version=42))


@asynccontextmanager
async def served(shelf: Shelf) -> AsyncIterator[Server]:
    services = (
        Service("weft.cache.v1.CacheService", cache_pb2_grpc.add_CacheServiceServicer_to_server, shelf),
        Service("weft.retrieval.v1.RetrievalService", retrieval_pb2_grpc.add_RetrievalServiceServicer_to_server, shelf),
    )
    async with Server("127.0.0.1:0", services, grace_s=0) as server:
        yield server


def read(config: Config) -> str:
    return Path(config.catalog_file).read_text(encoding="utf-8")


def write(config: Config, catalog: str) -> None:
    Path(config.catalog_file).write_text(catalog, encoding="utf-8")


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


@pytest.fixture
async def caller(config: Config, shelf: Shelf, new_caller: Any) -> AsyncIterator[Any]:
    aliases = (f'[models.{one}]\nroutes = [{{ provider = "local" }}]\ncache = "{one}"\n' for one in SETTINGS)
    write(config, "\n".join([read(config), *aliases]))
    async with served(shelf) as behind:
        targets = {"cache_target": behind.address, "retrieval_target": behind.address, "cache_limit_s": 5.0}
        targets["catalog_poll_s"] = 0.02
        async with gateway(config.model_copy(update=targets)) as server:
            yield await new_caller(server)


async def test_a_hit_is_a_finished_job_at_once(caller: Any, ask: Ask, shelf: Shelf, log: JobLog, recorded: Any) -> None:
    job = await caller.submit(ask(sampling=GREEDY))
    assert job.state == job_pb2.JOB_STATE_SUCCEEDED
    assert job.answer == FOUND.answer
    assert job.cache_hit == FOUND.hit
    assert job.request == ask(sampling=GREEDY)
    (event,) = await log.events(job.job_id)
    assert event.done.text_hash == text_hash("Rayleigh scattering")
    assert shelf.asked == [(caller.key.tenant, 0)]
    (kept,) = await recorded(caller, bool)
    assert (kept.state, kept.cache_hit, kept.model) == (job.state, job.cache_hit, "default")
    assert await caller.get(job.job_id) == job


async def test_a_hit_streams_a_lone_done_that_carries_the_envelope(caller: Any, ask: Ask) -> None:
    (event,) = [answer.event async for answer in caller.generate(ask(sampling=GREEDY))]
    assert kind_of(event) == "done"
    assert event.done.accepted.request == ask(sampling=GREEDY)
    assert [answer.event async for answer in caller.stream(event.job_id)] == [event]


async def test_a_hit_under_a_request_id_is_given_again(caller: Any, ask: Ask) -> None:
    first = await caller.submit(ask(sampling=GREEDY), "order-1")
    assert await caller.submit(ask(sampling=GREEDY), "order-1") == first


async def test_a_miss_is_queued(caller: Any, ask: Ask) -> None:
    assert (await caller.submit(ask(sampling=GREEDY, model="large"))).state == job_pb2.JOB_STATE_QUEUED


async def test_a_hit_too_large_for_one_event_with_its_request_is_a_miss(caller: Any, ask: Ask, shelf: Shelf) -> None:
    shelf.found = cache_pb2.Found(answer=job_pb2.Answer(text="x" * 5_000_000), hit=FOUND.hit)
    long = chat_pb2.Message(role=chat_pb2.ROLE_USER, parts=[chat_pb2.ContentPart(text="y" * 4_000_000)])
    before = hits()
    assert (await caller.submit(ask(sampling=GREEDY, messages=[long]))).state == job_pb2.JOB_STATE_QUEUED
    assert hits() == before + 1


def hits() -> float:
    return REGISTRY.get_sample_value("weft_gateway_cache_lookups_total", {"outcome": "hit"}) or 0.0


async def test_what_cannot_be_cached_is_not_asked_for(caller: Any, ask: Ask, shelf: Shelf) -> None:
    assert (await caller.submit(ask())).state == job_pb2.JOB_STATE_QUEUED
    assert shelf.asked == []


@pytest.mark.parametrize(
    ("alias", "policy", "mode"),
    [
        ("default", None, EXACT),
        ("exact", None, EXACT),
        ("semantic", None, SEMANTIC),
        ("exact", job_pb2.CachePolicy(mode=SEMANTIC), SEMANTIC),
        ("semantic", job_pb2.CachePolicy(mode=EXACT), EXACT),
    ],
)
async def test_the_cache_is_told_the_mode_and_the_record_what_was_sent(
    caller: Any, ask: Ask, shelf: Shelf, alias: str, policy: job_pb2.CachePolicy | None, mode: int
) -> None:
    request = ask(sampling=GREEDY, model=alias, cache=policy)
    job = await caller.submit(request)
    assert shelf.modes == [mode]
    assert job.request == request


@pytest.mark.parametrize("policy", [None, job_pb2.CachePolicy(mode=SEMANTIC)])
async def test_an_alias_that_is_off_asks_for_nothing_whatever_the_request_says(
    caller: Any, ask: Ask, shelf: Shelf, policy: job_pb2.CachePolicy | None
) -> None:
    job = await caller.submit(ask(sampling=GREEDY, model="off", cache=policy))
    assert job.state == job_pb2.JOB_STATE_QUEUED
    assert shelf.asked == []


async def test_a_repeat_is_known_although_its_alias_changed_its_mind(
    caller: Any, ask: Ask, shelf: Shelf, config: Config
) -> None:
    first = await caller.submit(ask(sampling=GREEDY), "order-1")
    write(config, read(config).replace("[models.default]", '[models.default]\ncache = "off"'))
    async with asyncio.timeout(20):
        while (await caller.submit(ask(sampling=GREEDY))).state != job_pb2.JOB_STATE_QUEUED:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    assert await caller.submit(ask(sampling=GREEDY), "order-1") == first


async def test_an_answer_must_be_built_on_the_collection_as_it_is_now(caller: Any, ask: Ask, shelf: Shelf) -> None:
    await caller.submit(ask(sampling=GREEDY, retrieval=DOCS))
    assert shelf.asked == [(caller.key.tenant, 42)]


async def test_a_collection_nobody_knows_is_the_jobs_business(caller: Any, ask: Ask, shelf: Shelf) -> None:
    unknown = job_pb2.RetrievalOptions(collection="nowhere")
    for _ in range(5):
        assert (await caller.submit(ask(sampling=GREEDY, retrieval=unknown))).state == job_pb2.JOB_STATE_QUEUED
    assert shelf.asked == []
    assert (await caller.submit(ask(sampling=GREEDY))).state == job_pb2.JOB_STATE_SUCCEEDED


@pytest.fixture
async def answers(shelf: Shelf) -> AsyncIterator[CacheLookup]:
    """Leaves a cache alone that said nothing for as long as a hurried caller waits."""
    alias = {"routes": [{"provider": "local"}]}
    models = {"default": alias, "held": alias}
    catalog = Catalog.model_validate({"providers": {"local": {"kind": "inference", "target": "x:1"}}, "models": models})
    async with (
        served(shelf) as behind,
        Channel(behind.address, "cache") as cache,
        Channel(behind.address, "retrieval") as retrieval,
    ):
        shelf.looks.clear()
        yield CacheLookup(cache, retrieval, lambda: catalog, limit_s=20.0, silence_s=SOON_S / 2, rest_s=60.0)
        shelf.looks.set()


async def late(answers: CacheLookup, ask: Ask) -> None:
    with bound(CallContext(tenant="acme", deadline=asyncio.get_running_loop().time() + SOON_S)):
        assert await answers.find(ask(sampling=GREEDY, model="held")) is None


async def is_asked(answers: CacheLookup, ask: Ask) -> bool:
    with bound(CallContext(tenant="acme")):
        return await answers.find(ask(sampling=GREEDY)) is not None


async def test_a_cache_that_is_late_for_some_and_answers_others_is_asked_on(answers: CacheLookup, ask: Ask) -> None:
    for _ in range(4):
        waiting = asyncio.create_task(late(answers, ask))
        while not waiting.done():
            assert await is_asked(answers, ask)
    assert await is_asked(answers, ask)


async def test_a_cache_that_answers_nobody_any_more_is_left_alone(answers: CacheLookup, ask: Ask, shelf: Shelf) -> None:
    await late(answers, ask)
    assert not await is_asked(answers, ask)
    assert len(shelf.asked) == 1


async def test_a_retrieval_service_that_is_away_keeps_nobody_elses_answers_away(shelf: Shelf, ask: Ask) -> None:
    alias = {"routes": [{"provider": "local"}]}
    providers = {"local": {"kind": "inference", "target": "x:1"}}
    catalog = Catalog.model_validate({"providers": providers, "models": {"default": alias}})
    async with (
        served(shelf) as behind,
        Channel(behind.address, "cache") as cache,
        Channel("127.0.0.1:1", "retrieval") as retrieval,
    ):
        answers = CacheLookup(cache, retrieval, lambda: catalog, rest_s=60.0)
        with bound(CallContext(tenant="globex")):
            for _ in range(4):
                assert await answers.find(ask(sampling=GREEDY, retrieval=DOCS)) is None
        assert await is_asked(answers, ask)
