"""What the cache is told of a job that succeeded."""

import asyncio
from contextlib import AbstractAsyncContextManager

import pytest
from google.protobuf.duration_pb2 import Duration
from prometheus_client import REGISTRY
from tests.router.harness import Harness, asking
from tests.router.services import serving

from weft.cache.v1 import cache_pb2, cache_pb2_grpc
from weft.common.v1 import budget_pb2, chat_pb2
from weft.job.v1 import event_pb2, job_pb2
from weft_kit.joblog import new_job_id
from weft_kit.rpc.context import current_tenant
from weft_mock import MockProvider, Script
from weft_router.answering.cache_client import generation_time

PRICES = '[prices]\nas_of = 2026-01-01\ncurrency = "USD"\n[prices.per_million.mock]\n"*" = { input = 1, output = 2 }\n'
LAST_RESORT = '[models.default]\nroutes = [{ provider = "mock", model = "m" }]\nlast_resort = { stale_within_s = 60 }\n'
EXACT = job_pb2.CachePolicy(mode=job_pb2.CACHE_MODE_EXACT)
SEMANTIC = job_pb2.CachePolicy(mode=job_pb2.CACHE_MODE_SEMANTIC)
GREEDY = chat_pb2.SamplingParams(temperature=0)
AUDIT = job_pb2.Audit(partition="p", served_text="What was served.")


class Shelf(cache_pb2_grpc.CacheServiceServicer):
    """Remembers what it is told, by tenant, and knows one answer for whoever has no better."""

    def __init__(self) -> None:
        self.told: asyncio.Queue[tuple[str, cache_pb2.StoreRequest | cache_pb2.ReportAuditRequest]] = asyncio.Queue()
        self.asked: list[job_pb2.GenerationRequest] = []

    def running(self) -> AbstractAsyncContextManager[str]:
        return serving("weft.cache.v1.CacheService", cache_pb2_grpc.add_CacheServiceServicer_to_server, self)

    async def Store(self, request: cache_pb2.StoreRequest, _: object) -> cache_pb2.StoreResponse:
        self.told.put_nowait((current_tenant(), request))
        return cache_pb2.StoreResponse(stored=True)

    async def ReportAudit(self, request: cache_pb2.ReportAuditRequest, _: object) -> cache_pb2.ReportAuditResponse:
        self.told.put_nowait((current_tenant(), request))
        return cache_pb2.ReportAuditResponse(verdict=cache_pb2.ReportAuditResponse.VERDICT_SAME)

    async def Lookup(self, request: cache_pb2.LookupRequest, _: object) -> cache_pb2.LookupResponse:
        self.asked.append(request.request)
        answer = job_pb2.Answer(text="Of another version.", finish_reason=chat_pb2.FINISH_REASON_STOP)
        hit = job_pb2.CacheHit(tier=job_pb2.CACHE_MODE_EXACT, similarity=1, served_stale=True)
        return cache_pb2.LookupResponse(found=cache_pb2.Found(answer=answer, hit=hit))


async def submit_audit(harness: Harness, request: job_pb2.GenerationRequest) -> str:
    job_id = new_job_id("acme", request.priority)
    await harness.log.accept(job_id, event_pb2.Accepted(tenant="acme", request=request, audit=AUDIT), 10)
    return job_id


async def test_what_its_answer_cost_is_stored_with_it_and_not_what_was_spent_in_vain(
    pair: Harness, mock: MockProvider
) -> None:
    mock.play(Script(status=500), Script(text="Rayleigh scattering."))
    pair.with_settings('[models.default]\nroutes = [{ provider = "mock", model = "m" }]\n')
    pair.with_settings(PRICES)
    shelf = Shelf()
    async with shelf.running() as target, pair.routing(cache_target=target):
        done = await pair.done(await pair.submit(asking(cache=EXACT)))
        tenant, stored = await asyncio.wait_for(shelf.told.get(), 20)

    assert isinstance(stored, cache_pb2.StoreRequest)
    assert (tenant, stored.answer) == ("acme", done.answer)
    usage = done.answer.usage
    assert stored.cost == budget_pb2.Cost(micros=usage.prompt_tokens + 2 * usage.completion_tokens, currency="USD")
    assert stored.generation_time == done.attempts[-1].duration
    assert stored.generation_time.ToNanoseconds() > 0


def test_how_long_an_answer_took_is_said_by_the_job_that_made_the_call() -> None:
    succeeded = job_pb2.Attempt.RESULT_SUCCEEDED
    call = job_pb2.Attempt(result=succeeded, duration=Duration(seconds=5))
    lost = job_pb2.Attempt(result=job_pb2.Attempt.RESULT_LOST_RACE, duration=Duration(seconds=9))
    joined = job_pb2.Attempt(result=succeeded, duration=Duration(seconds=1), joined_job_id="other")
    assert generation_time(event_pb2.Done(attempts=[call, lost])) == Duration(seconds=5)
    assert generation_time(event_pb2.Done(attempts=[joined])) is None


async def test_an_audit_is_reported_and_not_stored(harness: Harness, mock: MockProvider) -> None:
    mock.play(Script(text="What is said now."))
    shelf = Shelf()
    off = asking(cache=job_pb2.CachePolicy(mode=job_pb2.CACHE_MODE_OFF), priority=job_pb2.PRIORITY_LOW)
    async with shelf.running() as target, harness.routing(cache_target=target):
        done = await harness.done(await submit_audit(harness, off))
        tenant, report = await asyncio.wait_for(shelf.told.get(), 20)

    assert isinstance(report, cache_pb2.ReportAuditRequest)
    assert (tenant, report.model, report.audit) == ("acme", "default", AUDIT)
    assert (report.answer, report.collection_version) == (done.answer, 0)
    assert shelf.told.empty()


async def test_an_audit_that_fails_is_not_reported(harness: Harness, mock: MockProvider) -> None:
    mock.play(Script(status=400), Script(text="Next."))
    shelf = Shelf()
    async with shelf.running() as target, harness.routing(cache_target=target):
        assert (await harness.done(await submit_audit(harness, asking()))).state == job_pb2.JOB_STATE_FAILED
        await harness.done(await harness.submit(asking(cache=EXACT)))
        _, told = await asyncio.wait_for(shelf.told.get(), 20)

    assert isinstance(told, cache_pb2.StoreRequest)


async def test_a_stored_answer_is_not_stored_again_as_a_new_one(pair: Harness, mock: MockProvider) -> None:
    mock.play(Script(status=400), Script(text="Next."))
    pair.with_settings(LAST_RESORT)
    shelf = Shelf()
    async with shelf.running() as target, pair.routing(cache_target=target):
        served = await pair.done(await pair.submit(asking(cache=EXACT)))
        await pair.done(await pair.submit(asking("Another?", cache=EXACT)))
        _, told = await asyncio.wait_for(shelf.told.get(), 20)

    assert (served.answer.text, served.cache_hit.served_stale) == ("Of another version.", True)
    assert isinstance(told, cache_pb2.StoreRequest)
    assert told.answer.text == "Next."


def reloads() -> float:
    return REGISTRY.get_sample_value("weft_catalog_reloads_total", {"result": "taken"}) or 0.0


def alias(name: str, setting: str, rest: str = "") -> str:
    return f'[models.{name}]\nroutes = [{{ provider = "mock", model = "m" }}]\ncache = "{setting}"\n{rest}\n'


@pytest.mark.parametrize(
    ("model", "policy", "mode"),
    [
        ("default", None, EXACT.mode),
        ("semantic", None, SEMANTIC.mode),
        ("semantic", EXACT, EXACT.mode),
        ("exact", SEMANTIC, SEMANTIC.mode),
        ("falls_back", None, EXACT.mode),
        ("escalates", None, EXACT.mode),
    ],
)
async def test_the_cache_is_told_the_mode_of_the_alias_asked_for_and_the_log_what_was_sent(
    harness: Harness, model: str, policy: job_pb2.CachePolicy | None, mode: int
) -> None:
    harness.with_settings(
        alias("semantic", "semantic")
        + alias("exact", "exact")
        + alias("falls_back", "exact", 'fallbacks = ["semantic"]').replace('"mock", model', '"away", model')
        + alias("escalates", "exact", 'escalate = { to = "semantic", shorter_than = 10000 }')
        + '[providers.away]\nkind = "openai"\nbase_url = "http://127.0.0.1:1"\n'
    )
    request = asking(model=model, sampling=GREEDY, cache=policy)
    shelf = Shelf()
    async with shelf.running() as target, harness.routing(cache_target=target):
        job_id = await harness.submit(request)
        await harness.done(job_id)
        _, told = await asyncio.wait_for(shelf.told.get(), 20)

    assert isinstance(told, cache_pb2.StoreRequest)
    assert told.request.cache.mode == mode
    assert (await harness.log.events(job_id))[0].accepted.request == request


@pytest.mark.parametrize("policy", [None, EXACT, SEMANTIC])
async def test_nothing_is_kept_for_an_alias_that_is_off(harness: Harness, policy: job_pb2.CachePolicy | None) -> None:
    harness.with_settings(alias("off", "off"))
    shelf = Shelf()
    async with shelf.running() as target, harness.routing(cache_target=target):
        await harness.done(await harness.submit(asking(model="off", sampling=GREEDY, cache=policy)))
        await harness.done(await harness.submit(asking("Another?", cache=EXACT)))
        _, told = await asyncio.wait_for(shelf.told.get(), 20)

    assert isinstance(told, cache_pb2.StoreRequest)
    assert told.request.model == "default"


async def test_what_an_alias_says_when_an_answer_is_there_counts(harness: Harness, mock: MockProvider) -> None:
    mock.play(Script(text="This is said slowly.", tokens_per_second=10), Script(text="Next."))
    harness.with_settings(alias("changed", "exact"))
    shelf = Shelf()
    async with shelf.running() as target, harness.routing(cache_target=target):
        running = await harness.submit(asking(model="changed", sampling=GREEDY))
        await harness.first(running, "delta")
        before = reloads()
        harness.catalog(harness.read_catalog().replace('cache = "exact"', 'cache = "off"'))
        await harness.until(lambda: reloads() > before)
        await harness.done(running)
        await harness.done(await harness.submit(asking("Another?", cache=EXACT)))
        _, told = await asyncio.wait_for(shelf.told.get(), 20)

    assert isinstance(told, cache_pb2.StoreRequest)
    assert told.request.model == "default"


async def test_the_last_resort_is_asked_for_by_the_mode_of_the_alias(pair: Harness, mock: MockProvider) -> None:
    mock.play(Script(status=400))
    pair.with_settings(alias("default", "semantic", "last_resort = {}"))
    shelf = Shelf()
    async with shelf.running() as target, pair.routing(cache_target=target):
        served = await pair.done(await pair.submit(asking(sampling=GREEDY)))

    assert served.answer.text == "Of another version."
    assert [request.cache.mode for request in shelf.asked] == [SEMANTIC.mode]
