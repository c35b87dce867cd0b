"""A catalog that changes under a running gateway."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import grpc.aio
import pytest
from prometheus_client import REGISTRY
from tests.support.waiting import until_it_succeeds

from weft.common.v1 import catalog_pb2, catalog_pb2_grpc, error_pb2
from weft.job.v1 import job_pb2
from weft_gateway.config import Config
from weft_gateway.server import gateway
from weft_kit.catalog.catalog import CatalogError
from weft_kit.rpc.server import Server

Ask = Callable[..., job_pb2.GenerationRequest]
Refused = Callable[[Awaitable[Any]], Awaitable[Any]]


@pytest.fixture
async def server(config: Config) -> AsyncIterator[Server]:
    async with gateway(config.model_copy(update={"catalog_poll_s": 0.02}), ("serve",)) as server:
        assert server is not None
        yield server


async def test_a_new_alias_may_be_asked_for_without_a_restart(
    caller: Any, ask: Ask, refused: Refused, config: Config
) -> None:
    error = await refused(caller.submit(ask(model="newest")))
    assert error.reason == error_pb2.ERROR_REASON_UNKNOWN_MODEL

    add(config, '[models.newest]\nroutes = [{ provider = "local" }]\n')
    job = await accepted(caller, ask)
    assert job.state == job_pb2.JOB_STATE_QUEUED


async def test_a_broken_catalog_changes_nothing(caller: Any, ask: Ask, config: Config) -> None:
    before = refused_catalogs()
    add(config, "[models.newest]\nroutes = []\n")
    async with asyncio.timeout(20):
        while refused_catalogs() == before:  # noqa: ASYNC110
            await asyncio.sleep(0.01)

    assert (await caller.submit(ask())).state == job_pb2.JOB_STATE_QUEUED


async def test_the_operator_is_told_what_is_wrong_and_nobody_else(
    caller: Any, server: Server, config: Config, refused: Refused
) -> None:
    before = refused_catalogs()
    add(config, "[models.newest]\nroutes = []\n")
    async with asyncio.timeout(20):
        while refused_catalogs() == before:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    async with grpc.aio.insecure_channel(server.address) as channel:
        catalogs: catalog_pb2_grpc.CatalogServiceAsyncStub = catalog_pb2_grpc.CatalogServiceStub(channel)
        question = catalog_pb2.GetCatalogStatusRequest()
        operator = (("authorization", f"Bearer {config.operator_token.get_secret_value()}"),)
        status = (await catalogs.GetCatalogStatus(question, metadata=operator)).catalog
        tenant = (("authorization", f"Bearer {caller.secret}"),)
        error = await refused(catalogs.GetCatalogStatus(question, metadata=tenant))

    assert len(status.problems) == status.problem_count == 1
    assert "models.newest.routes" in status.problems[0]
    assert error.reason == error_pb2.ERROR_REASON_UNAUTHENTICATED


async def test_a_broken_catalog_does_not_kill_the_next_restart(
    server: Server, config: Config, new_caller: Callable[..., Awaitable[Any]], ask: Ask
) -> None:
    add(config, "[models.newest]\nroutes = []\n")
    async with gateway(config, ("serve",)) as again:
        caller = await new_caller(again)
        assert (await caller.submit(ask())).state == job_pb2.JOB_STATE_QUEUED


async def test_without_a_last_good_one_a_broken_catalog_keeps_the_gateway_from_starting(config: Config) -> None:
    add(config, "[models.newest]\nroutes = []\n")
    with pytest.raises(CatalogError, match=r"models\.newest\.routes"):
        async with gateway(config, ("serve",)):
            pass


def add(config: Config, text: str) -> None:
    catalog = Path(config.catalog_file)
    catalog.write_text(f"{catalog.read_text()}\n{text}")


def refused_catalogs() -> float:
    return REGISTRY.get_sample_value("weft_catalog_reloads_total", {"result": "refused"}) or 0.0


async def accepted(caller: Any, ask: Ask) -> job_pb2.Job:
    """Submits a job for the new alias as soon as it is known."""
    return await until_it_succeeds("the alias is known", lambda: caller.submit(ask(model="newest")), Exception)
