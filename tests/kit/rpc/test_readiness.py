"""Health says what a service's needs do, by service; liveness stays apart."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from weft_kit.rpc.channel import Channel
from weft_kit.rpc.errors import DependencyDown, WeftError
from weft_kit.rpc.health import LIVENESS, peer_need
from weft_kit.rpc.readiness import WHOLE, Need, Readiness
from weft_kit.rpc.server import Server, Service

SERVING, NOT_SERVING = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING


class Store:
    """A dependency that is there, or says what is wrong."""

    def __init__(self) -> None:
        self.error: Exception | None = None
        self.checked = asyncio.Event()

    async def check(self) -> None:
        self.checked.set()
        if self.error:
            raise self.error


@pytest.fixture
def store() -> Store:
    return Store()


def serving(readiness: Readiness, name: str = "searches") -> Server:
    return Server("127.0.0.1:0", [Service(name, lambda *_: None, None)], readiness=readiness)


async def told(channel: Channel, service: str) -> int:
    stub = health_pb2_grpc.HealthStub(channel.raw)
    return int((await stub.Check(health_pb2.HealthCheckRequest(service=service))).status)


def watch(channel: Channel, service: str) -> AsyncIterator[health_pb2.HealthCheckResponse]:
    return aiter(health_pb2_grpc.HealthStub(channel.raw).Watch(health_pb2.HealthCheckRequest(service=service)))


async def test_each_service_is_ready_by_what_it_needs(store: Store) -> None:
    store.error = DependencyDown("postgresql", "it is away")
    needs = (Need("postgresql", store.check, frozenset({"searches"})),)
    async with Readiness(needs) as readiness, serving(readiness) as server, Channel(server.address, "it") as channel:
        assert await told(channel, WHOLE) == SERVING
        assert await told(channel, "searches") == NOT_SERVING
        assert await told(channel, LIVENESS) == SERVING
        assert REGISTRY.get_sample_value("weft_ready", {"dependency": "postgresql"}) == 0


async def test_watchers_hear_of_every_change(store: Store) -> None:
    with capture_logs() as lines:
        needs = (Need("nats", store.check),)
        async with (
            Readiness(needs, every_s=0.01, patience_s=0.05) as readiness,
            serving(readiness) as server,
            Channel(server.address, "it") as channel,
        ):
            whole, alive = watch(channel, WHOLE), watch(channel, LIVENESS)
            assert (await anext(whole)).status == (await anext(alive)).status == SERVING
            store.error = DependencyDown("nats", "the log is away")
            assert (await anext(whole)).status == NOT_SERVING
            assert REGISTRY.get_sample_value("weft_ready", {"dependency": "nats"}) == 0
            store.error = None
            assert (await anext(whole)).status == SERVING
            assert REGISTRY.get_sample_value("weft_ready", {"dependency": "nats"}) == 1
            assert await told(channel, LIVENESS) == SERVING
    about = [(line["event"], line["dependency"]) for line in lines if "dependency" in line]
    assert about == [("not ready", "nats"), ("ready again", "nats")]
    assert next(line["error"] for line in lines if line["event"] == "not ready") == "the log is away"


async def test_a_blip_turns_nobody_away(store: Store) -> None:
    async with Readiness((Need("nats", store.check),), every_s=0.01, patience_s=60) as readiness:
        store.error = DependencyDown("nats", "away")
        for _ in range(5):
            store.checked.clear()
            await store.checked.wait()
        assert readiness.is_ready(WHOLE)


async def test_what_does_not_answer_is_not_there() -> None:
    async def hang() -> None:
        await asyncio.Event().wait()

    async with Readiness((Need("postgresql", hang),), limit_s=0.05, patience_s=0.05) as readiness:
        assert not readiness.is_ready(WHOLE)


async def test_a_server_that_drains_is_not_ready_and_lets_its_watchers_go(store: Store) -> None:
    async with Readiness((Need("nats", store.check),)) as readiness:
        server = serving(readiness)
        await server.__aenter__()
        async with Channel(server.address, "it") as channel:
            whole, alive = watch(channel, WHOLE), watch(channel, LIVENESS)
            assert (await anext(whole)).status == (await anext(alive)).status == SERVING
            leaving = asyncio.create_task(server.__aexit__(None, None, None))
            assert [reply.status async for reply in whole] == [NOT_SERVING]
            assert [reply.status async for reply in alive] == []
            async with asyncio.timeout(5):
                await leaving


async def test_a_forwarded_service_is_as_ready_as_the_peer_behind_it(store: Store) -> None:
    needs = (Need("postgresql", store.check, frozenset({"searches"})),)
    async with (
        Readiness(needs, every_s=0.01, patience_s=0) as readiness,
        serving(readiness) as server,
        Channel(server.address, "retrieval") as channel,
    ):
        need = peer_need("searches", channel)
        assert (need.dependency, need.services) == ("retrieval", frozenset({"searches"}))
        await need.check()
        hears = watch(channel, "searches")
        assert (await anext(hears)).status == SERVING
        store.error = DependencyDown("postgresql", "away")
        assert (await anext(hears)).status == NOT_SERVING
        with pytest.raises(WeftError, match="retrieval says that it is not ready"):
            await need.check()
