"""Health tells which of the gateway's services can work, whatever they need is away."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import grpc.aio
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from weft.job.v1 import job_pb2
from weft_compose.servers import NatsServer, serving
from weft_gateway.config import Config
from weft_gateway.server import gateway
from weft_kit.rpc.errors import CannotStart

WHOLE, LIVENESS = "", "liveness"
JOBS, KEYS, WEBHOOKS, DOCUMENTS = (
    "weft.gateway.v1.GatewayService",
    "weft.gateway.v1.KeyService",
    "weft.gateway.v1.WebhookService",
    "weft.retrieval.v1.RetrievalService",
)
Cable = Callable[[str], AbstractAsyncContextManager[tuple[Any, str]]]


class Health:
    def __init__(self, address: str) -> None:
        self._channel = grpc.aio.insecure_channel(address)
        self._stub = health_pb2_grpc.HealthStub(self._channel)

    async def serves(self, service: str) -> bool:
        answer = await self._stub.Check(health_pb2.HealthCheckRequest(service=service))
        return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)

    async def until(self, service: str, *, serves: bool) -> None:
        """Returns once it is told; sooner than a probe that runs every few seconds would have to see it."""
        async with asyncio.timeout(20):
            async for answer in self._stub.Watch(health_pb2.HealthCheckRequest(service=service)):
                if (answer.status == health_pb2.HealthCheckResponse.SERVING) is serves:
                    return

    async def close(self) -> None:
        await self._channel.close()


@asynccontextmanager
async def health_of(config: Config) -> AsyncIterator[tuple[Health, Any]]:
    async with gateway(config) as server:
        assert server is not None
        health = Health(server.address)
        try:
            yield health, server
        finally:
            await health.close()


async def test_without_the_log_no_jobs_are_taken(config: Config, nats_proxy: Any) -> None:
    proxy, url = nats_proxy
    async with health_of(config.model_copy(update={"nats_url": url})) as (health, _):
        assert await health.serves(WHOLE)
        assert await health.serves(JOBS)
        await proxy.cut()
        await health.until(WHOLE, serves=False)
        await health.until(JOBS, serves=False)
        assert await health.serves(KEYS)
        assert await health.serves(LIVENESS)
        await proxy.mend()
        await health.until(WHOLE, serves=True)
        await health.until(JOBS, serves=True)


async def test_a_frozen_nats_is_seen(config: Config, tmp_path: Path) -> None:
    with serving(lambda port: NatsServer(tmp_path / "nats", port)) as nats:
        async with health_of(config.model_copy(update={"nats_url": nats.url})) as (health, _):
            assert nats.child is not None
            nats.child.pause()
            try:
                await health.until(WHOLE, serves=False)
                assert await health.serves(LIVENESS)
            finally:
                nats.child.resume()
            await health.until(WHOLE, serves=True)


async def test_without_postgres_jobs_are_taken_and_keys_and_webhooks_are_not_served(
    config: Config, postgres_proxy: Any, new_caller: Any, ask: Any
) -> None:
    proxy, url = postgres_proxy
    async with health_of(config.model_copy(update={"postgres_url": url})) as (health, server):
        caller = await new_caller(server)
        await caller.submit(ask())
        await proxy.cut()
        await health.until(KEYS, serves=False)
        await health.until(WEBHOOKS, serves=False)
        assert await health.serves(WHOLE)
        assert await health.serves(JOBS)
        assert (await caller.submit(ask())).state == job_pb2.JOB_STATE_QUEUED
        await proxy.mend()
        await health.until(KEYS, serves=True)


async def test_redis_is_not_needed(config: Config, redis_proxy: Any) -> None:
    proxy, url = redis_proxy
    await proxy.cut()
    async with health_of(config.model_copy(update={"redis_url": url})) as (health, _):
        for service in (WHOLE, JOBS, KEYS, WEBHOOKS):
            assert await health.serves(service)


async def test_what_is_forwarded_is_as_ready_as_who_does_it(config: Config) -> None:
    async with health_of(config) as (health, _):  # nobody is behind it
        assert await health.serves(WHOLE)
        assert not await health.serves(DOCUMENTS)


async def test_a_gateway_does_not_start_with_a_log_that_could_not_carry_its_requests(config: Config) -> None:
    with pytest.raises(CannotStart, match="lower WEFT_GATEWAY_MAX_REQUEST_BYTES"):
        async with gateway(config.model_copy(update={"max_request_bytes": 8 * 1024 * 1024})):
            pass
