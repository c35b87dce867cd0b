"""The router as an operator meets it: what it lists, how it starts, what it does about its own bugs."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from redis.asyncio import Redis
from tests.router.harness import NOWHERE, Harness, asking

from weft.common.v1 import error_pb2
from weft.inference.v1 import inference_pb2
from weft.job.v1 import job_pb2
from weft.router.v1 import router_pb2 as pb
from weft.router.v1 import router_pb2_grpc as rpc
from weft_kit.catalog.catalog import CatalogError, load_catalog
from weft_kit.catalog.providers import ProviderEntry
from weft_kit.joblog import Leases
from weft_kit.rpc.channel import Channel
from weft_kit.rpc.server import Server
from weft_mock import MockProvider, Script
from weft_router.answering.answerer import Answerer
from weft_router.answering.attempt_rules import AttemptRules
from weft_router.answering.cache_client import AnswerCache
from weft_router.answering.last_resort import LastResortAnswers
from weft_router.budgets.budgets import Budgets
from weft_router.budgets.redis_ledger import RedisLedger
from weft_router.fleet.fleet import Fleet
from weft_router.fleet.provider_keys import read_keys
from weft_router.pipeline.context import ContextFinder
from weft_router.pipeline.pipeline import Pipeline
from weft_router.pipeline.retrieval_client import Retrieval
from weft_router.providers.provider import Step
from weft_router.routing.retry_budget import RetryBudgets
from weft_router.routing.retry_policy import RetryLimits
from weft_router.single_flight.flights import Flights
from weft_router.single_flight.redis_directory import RedisDirectory
from weft_router.worker.job_run import JobDependencies
from weft_router.worker.worker import GenerationWorker

CATALOG = """
[providers.first]
kind = "openai"
base_url = "{url}"

[providers.second]
kind = "inference"
target = "127.0.0.1:1"

[models.default]
routes = [{{ provider = "first", model = "mock" }}, {{ provider = "second" }}]

[models.other]
routes = [{{ provider = "first", model = "mock-large" }}]
cache = "semantic"
"""


@asynccontextmanager
async def stub_of(server: Server) -> AsyncIterator["rpc.RouterServiceAsyncStub"]:
    async with Channel(server.address, "router") as channel:
        yield rpc.RouterServiceStub(channel.raw)


async def listed(stub: "rpc.RouterServiceAsyncStub", model: str = "") -> dict[str, pb.Provider]:
    response = await stub.ListProviders(pb.ListProvidersRequest(model=model))
    return {provider.name: provider for provider in response.providers}


async def test_providers_are_listed_with_what_was_seen_of_them(
    harness: Harness, mock_url: str, mock: MockProvider
) -> None:
    mock.play(Script(), Script(status=400))
    harness.catalog(CATALOG.format(url=mock_url))
    async with harness.routing() as server, stub_of(server) as stub:
        before = await listed(stub)
        await harness.done(await harness.submit())
        await harness.done(await harness.submit())
        after = await listed(stub)
        narrowed = await listed(stub, "other")

    assert list(before) == ["first", "second"]
    assert (before["first"].kind, list(before["first"].provider_models)) == ("openai", ["mock", "mock-large"])
    assert before["first"].state == pb.Provider.STATE_UNSPECIFIED
    assert not before["first"].HasField("first_token_p50")
    assert after["first"].state == pb.Provider.STATE_HEALTHY
    assert after["first"].breaker == pb.Provider.BREAKER_CLOSED
    assert (after["first"].succeeded, after["first"].failed, after["first"].in_flight) == (1, 1, 0)
    assert after["first"].first_token_p50.ToNanoseconds() > 0
    assert after["first"].last_error == "PROVIDER_REJECTED (HTTP 400)"
    assert after["first"].HasField("last_error_time")
    assert list(narrowed) == ["first"]


async def test_models_are_listed_in_the_order_of_the_catalog(harness: Harness, mock_url: str) -> None:
    harness.catalog(CATALOG.format(url=mock_url))
    async with harness.routing() as server, stub_of(server) as stub:
        models = (await stub.ListModels(pb.ListModelsRequest())).models

    assert [(model.name, list(model.providers), model.cache_mode) for model in models] == [
        ("default", ["first", "second"], job_pb2.CACHE_MODE_EXACT),
        ("other", ["first"], job_pb2.CACHE_MODE_SEMANTIC),
    ]


async def test_a_provider_that_keeps_failing_is_not_asked_for_a_while(harness: Harness, mock: MockProvider) -> None:
    mock.play(Script(status=500))
    harness.with_settings("[breaker]\nminimum_calls = 2\nopen_s = 60")
    async with (
        harness.routing(max_attempts=2, longest_wait_s=0) as server,
        stub_of(server) as stub,
    ):
        impatient = asking(retry_policy=job_pb2.RetryPolicy(on_outage=job_pb2.ON_OUTAGE_FAIL))
        await harness.done(await harness.submit(impatient))
        kept_away = await harness.done(await harness.submit(impatient))
        [provider] = (await listed(stub)).values()

    assert mock.stats.requests == 2
    assert kept_away.error.reason == error_pb2.ERROR_REASON_PROVIDER_UNREACHABLE
    assert "keeps failing, last with PROVIDER_ERROR; one is asked again in" in kept_away.error.message
    assert (provider.state, provider.breaker) == (pb.Provider.STATE_DOWN, pb.Provider.BREAKER_OPEN)


async def test_what_was_seen_of_a_provider_is_listed_by_model_and_by_reason(
    harness: Harness, mock: MockProvider
) -> None:
    mock.play(Script(status=500), Script(tokens=8, tokens_per_second=200))
    async with harness.routing() as server, stub_of(server) as stub:
        await harness.done(await harness.submit())
        [provider] = (await listed(stub)).values()

    assert dict(provider.errors) == {"PROVIDER_ERROR": 1}
    assert (provider.succeeded, provider.failed, provider.in_flight) == (1, 1, 0)
    assert 50 < provider.tokens_per_second < 300
    [model] = provider.models
    assert (model.name, model.breaker, model.succeeded) == ("mock", pb.Provider.BREAKER_CLOSED, 1)
    assert model.first_token_p50.ToNanoseconds() > 0


async def test_a_key_that_is_missing_stops_the_start_with_its_name(harness: Harness, mock_url: str) -> None:
    harness.catalog(
        CATALOG.format(url=mock_url)
        + '[providers.keyed]\nkind = "openai"\nbase_url = "http://x"\napi_key_env = "NO_SUCH_KEY"\n'
    )

    with pytest.raises(CatalogError, match=r"providers\.keyed: environment variable NO_SUCH_KEY holds no key"):
        async with harness.routing():
            pass


def test_keys_come_from_the_environment_or_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("sk-file\n", encoding="utf-8")
    entry = 'kind = "openai"\nbase_url = "http://x"\n'
    path = tmp_path / "weft.toml"
    path.write_text(
        f'[providers.a]\n{entry}api_key_env = "A_KEY"\n[providers.b]\n{entry}api_key_file = "{tmp_path}/key"\n'
        f'[providers.c]\n{entry}[models.default]\nroutes = [{{ provider = "a", model = "m" }}]\n',
        encoding="utf-8",
    )

    assert read_keys(load_catalog(path, {}), path, {"A_KEY": "sk-env"}) == {"a": "sk-env", "b": "sk-file"}


@pytest.mark.parametrize("key", ["sk-one\nsk-two", "sk-\udcff", "sk-\x00"])
def test_a_key_that_no_header_can_carry_is_refused_with_its_place(key: str, tmp_path: Path) -> None:
    path = tmp_path / "weft.toml"
    path.write_text(
        '[providers.a]\nkind = "openai"\nbase_url = "http://x"\napi_key_env = "A_KEY"\n'
        '[models.default]\nroutes = [{ provider = "a", model = "m" }]\n',
        encoding="utf-8",
    )

    with pytest.raises(CatalogError, match=r"providers\.a: environment variable A_KEY holds more than a key"):
        read_keys(load_catalog(path, {}), path, {"A_KEY": key})


class Buggy:
    """A provider whose adapter has a bug."""

    @asynccontextmanager
    async def stream(
        self, request: inference_pb2.GenerateRequest, limit_s: float
    ) -> AsyncIterator[AsyncIterator[Step]]:
        raise RuntimeError("secret detail")
        yield

    def left_out(self, _request: inference_pb2.GenerateRequest) -> tuple[str, ...]:
        return ()

    async def continues_prefix(self) -> bool:
        return False

    async def check(self, model: str, limit_s: float) -> None:
        raise RuntimeError("secret detail")


async def test_a_bug_ends_its_job_once_and_shows_nothing_of_itself(harness: Harness, tmp_path: Path) -> None:
    catalog = load_catalog(tmp_path / "weft.toml", {})

    @asynccontextmanager
    async def open_provider(name: str, entry: ProviderEntry, key: str) -> AsyncIterator[Buggy]:
        yield Buggy()

    async with (
        Channel(NOWHERE, "any") as channel,
        AnswerCache(channel, lambda: catalog) as answers,
        Fleet(open_provider, lambda _: {}) as fleet,
        Redis.from_url("redis://127.0.0.1:1") as redis,
    ):
        await fleet.follow(catalog)
        budgets = Budgets(RedisLedger(redis, limit_s=0.1), "local")
        rules = AttemptRules(RetryLimits(), RetryBudgets(), budgets)
        answerer = Answerer(fleet.lend, LastResortAnswers(answers), rules)
        flights = Flights(RedisDirectory(redis, limit_s=0.1), RetryLimits(), answerer.answer_shared)
        pipeline = Pipeline(fleet.lend, ContextFinder(Retrieval(channel, 1), rules), flights, answerer)
        worker = GenerationWorker(
            JobDependencies(harness.log, pipeline, answers), Leases(harness.log, slots=1), grace_s=1
        )
        job_id = await harness.submit()
        async with worker.working():
            done = await harness.done(job_id)

    assert done.state == job_pb2.JOB_STATE_FAILED
    assert done.error.reason == error_pb2.ERROR_REASON_INTERNAL
    assert job_id in done.error.message
    assert "secret" not in str(done)
    assert len(done.attempts) == 1
    assert await harness.unacknowledged() == 0
