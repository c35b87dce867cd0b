"""A catalog that changes while jobs run, and breakers that replicas tell each other of."""

import asyncio
from pathlib import Path
from uuid import uuid4

import pytest
from prometheus_client import REGISTRY
from redis.asyncio import Redis
from tests.router.harness import OPENS_AT_ONCE, Harness, asking

from weft.common.v1 import catalog_pb2
from weft.common.v1 import catalog_pb2_grpc as catalog_rpc
from weft.job.v1 import job_pb2
from weft.router.v1 import router_pb2 as pb
from weft.router.v1 import router_pb2_grpc as rpc
from weft_kit.catalog.routing import Breaking
from weft_kit.rpc.channel import Channel
from weft_mock import MockProvider, Script
from weft_router.fleet.breaker import BreakerState, CallOutcome
from weft_router.fleet.concurrency import CallCaps, ConcurrencyLimit
from weft_router.fleet.health import ProviderHealth
from weft_router.fleet.redis_breakers import SharedBreakers
from weft_router.fleet.registry import Registered, Registry


def reloads(result: str) -> float:
    return REGISTRY.get_sample_value("weft_catalog_reloads_total", {"result": result}) or 0.0


def routed_to(url: str, name: str) -> str:
    return (
        f'[providers.{name}]\nkind = "openai"\nbase_url = "{url}"\n'
        f'[models.default]\nroutes = [{{ provider = "{name}", model = "m" }}]\n'
    )


async def test_a_changed_catalog_takes_over_and_running_jobs_end_where_they_began(
    harness: Harness, mock: MockProvider, mock_url: str, second: MockProvider, second_url: str
) -> None:
    mock.play(Script(text="The old one says this slowly.", tokens_per_second=20))
    second.play(Script(text="The new one."))
    harness.catalog(routed_to(mock_url, "old"))
    async with harness.routing():
        running = await harness.submit()
        await harness.first(running, "delta")
        before = reloads("taken")
        harness.catalog(routed_to(second_url, "new"))
        await harness.until(lambda: reloads("taken") > before)
        after = await harness.done(await harness.submit())
        old = await harness.done(running)
        await harness.until(lambda: mock.stats.connections_open == 0)

    assert (after.answer.provider, after.answer.text) == ("new", "The new one.")
    assert (old.answer.provider, old.answer.text) == ("old", "The old one says this slowly.")
    assert len(old.attempts) == 1


async def test_a_broken_catalog_changes_nothing_and_is_told_of(harness: Harness, mock: MockProvider) -> None:
    good = harness.read_catalog()
    async with harness.routing():
        refused, taken = reloads("refused"), reloads("taken")
        harness.catalog(good.replace('"mock", model', '"mok", model'))
        await harness.until(lambda: reloads("refused") > refused)
        done = await harness.done(await harness.submit())
        assert REGISTRY.get_sample_value("weft_catalog_refused") == 1

        harness.catalog(good + "\n# better\n")
        await harness.until(lambda: reloads("taken") > taken)
        assert REGISTRY.get_sample_value("weft_catalog_refused") == 0

    assert done.state == job_pb2.JOB_STATE_SUCCEEDED


async def test_a_restart_with_a_broken_catalog_runs_jobs_by_the_last_good_one_and_says_so(
    harness: Harness, mock: MockProvider
) -> None:
    good = harness.read_catalog()
    async with harness.routing():
        pass
    harness.catalog(good.replace('"mock", model', '"mok", model'))
    async with harness.routing() as server, Channel(server.address, "router") as channel:
        done = await harness.done(await harness.submit())
        router: rpc.RouterServiceAsyncStub = rpc.RouterServiceStub(channel.raw)
        as_operator = (await router.ListModels(pb.ListModelsRequest())).catalog
        acme = (("weft-tenant", "acme"),)
        as_tenant = (await router.ListProviders(pb.ListProvidersRequest(), metadata=acme)).catalog
        assert REGISTRY.get_sample_value("weft_catalog_refused") == 1

        catalogs: catalog_rpc.CatalogServiceAsyncStub = catalog_rpc.CatalogServiceStub(channel.raw)
        taken = reloads("taken")
        harness.catalog(good + "\n# mended\n")
        await harness.until(lambda: reloads("taken") > taken)
        mended = (await catalogs.GetCatalogStatus(catalog_pb2.GetCatalogStatusRequest())).catalog

    assert done.state == job_pb2.JOB_STATE_SUCCEEDED
    assert as_operator.is_last_good
    assert '"mok" is not a provider' in as_operator.problems[0]
    assert (as_tenant.is_last_good, as_tenant.problem_count, list(as_tenant.problems)) == (True, 1, [])
    assert (mended.is_last_good, mended.problem_count) == (False, 0)


async def test_a_key_that_is_gone_does_not_kill_the_next_restart(
    harness: Harness, mock: MockProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NO_SUCH_KEY", raising=False)
    async with harness.routing():
        pass
    harness.with_settings('[providers.keyed]\nkind = "anthropic"\napi_key_env = "NO_SUCH_KEY"\n')
    async with harness.routing():
        assert (await harness.done(await harness.submit())).state == job_pb2.JOB_STATE_SUCCEEDED


async def test_what_a_change_leaves_alone_keeps_what_was_seen_of_it(harness: Harness, mock: MockProvider) -> None:
    async with harness.routing() as server, Channel(server.address, "router") as channel:
        await harness.done(await harness.submit())
        before = reloads("taken")
        harness.with_settings('[models.again]\nroutes = [{ provider = "mock", model = "mock" }]\n')
        await harness.until(lambda: reloads("taken") > before)
        await harness.done(await harness.submit(asking(model="again")))
        stub: rpc.RouterServiceAsyncStub = rpc.RouterServiceStub(channel.raw)
        [provider] = (await stub.ListProviders(pb.ListProvidersRequest())).providers

    assert provider.succeeded == 2
    assert mock.stats.connections_total == 1


async def test_a_file_is_written_whole_or_read_again(harness: Harness, mock: MockProvider, tmp_path: Path) -> None:
    good = harness.read_catalog()
    async with harness.routing():
        refused, taken = reloads("refused"), reloads("taken")
        harness.catalog(good[: len(good) // 2])
        await harness.until(lambda: reloads("refused") > refused)
        harness.catalog(good)
        await harness.until(lambda: reloads("taken") > taken)
        assert (await harness.done(await harness.submit())).state == job_pb2.JOB_STATE_SUCCEEDED


class Unasked:
    """A provider of which only the breaker matters."""


def replica(name: str) -> Registry:
    health = ProviderHealth(Breaking(minimum_calls=1, open_s=30, longest_open_s=30))
    concurrency_limit = ConcurrencyLimit(CallCaps(None, None))
    return Registry(None, {name: Registered(name, "openai", Unasked(), {"m": health}, concurrency_limit)})  # type: ignore[arg-type]


async def test_a_breaker_that_opens_here_opens_at_the_other_replicas(redis_url: str) -> None:
    name = uuid4().hex
    here, there = replica(name), replica(name)
    [(_, _, seen)], [(_, _, heard)] = list(here.healths()), list(there.healths())
    async with Redis.from_url(redis_url) as redis:
        telling, listening = SharedBreakers(redis, lambda: here), SharedBreakers(redis, lambda: there)
        seen.breaker.ended(CallOutcome.BAD, asyncio.get_running_loop().time(), is_probe=False)
        await telling.exchange()
        await listening.exchange()
        await telling.exchange()

    assert heard.breaker.state(asyncio.get_running_loop().time()) is BreakerState.OPEN
    assert 25 < heard.breaker.open_for_s(asyncio.get_running_loop().time()) <= 30
    assert heard.breaker.times_opened == 0  # it does not pass on what it was told


async def test_without_redis_each_replica_goes_by_what_it_sees(harness: Harness, mock: MockProvider) -> None:
    mock.play(Script(status=500), Script(text="Well again."))
    harness.with_settings(OPENS_AT_ONCE.replace("60.0", "0.05"))
    async with harness.routing(redis_url="redis://127.0.0.1:1"):
        done = await harness.done(await harness.submit())

    assert done.answer.text == "Well again."
