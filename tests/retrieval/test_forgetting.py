"""A document that changes or goes is told to the cache, once it is sure to have changed."""

import asyncio
from collections.abc import AsyncIterator

import psycopg
import pytest

from weft.cache.v1 import cache_pb2 as pb
from weft.cache.v1 import cache_pb2_grpc as rpc
from weft_kit.context import current_tenant
from weft_kit.errors import DependencyDown
from weft_kit.server import Server, Service


class Listener(rpc.CacheServiceServicer):
    """Hears what is to be forgotten; turns a deaf ear as often as told."""

    def __init__(self) -> None:
        self.heard: asyncio.Queue[tuple[str, pb.InvalidateRequest]] = asyncio.Queue()
        self.deaf = 0

    async def Invalidate(self, request: pb.InvalidateRequest, _: object) -> pb.InvalidateResponse:
        if self.deaf:
            self.deaf -= 1
            raise DependencyDown("redis", "away; retry")
        self.heard.put_nowait((current_tenant(), request))
        return pb.InvalidateResponse()

    async def next(self) -> tuple[str, pb.InvalidateRequest]:
        return await asyncio.wait_for(self.heard.get(), 20)


@pytest.fixture
def listener() -> Listener:
    return Listener()


@pytest.fixture
async def cache(listener: Listener) -> AsyncIterator[str]:
    service = Service("weft.cache.v1.CacheService", rpc.add_CacheServiceServicer_to_server, listener)
    async with Server("127.0.0.1:0", (service,), grace_s=0) as server:
        yield server.address


@pytest.fixture
async def client(running, postgres_url, cache):
    async with running(postgres_url, cache_target=cache, forget_poll_s=0.02) as client_of:
        client = client_of("acme")
        await client.create()
        yield client


async def test_updates_and_deletions_are_told_and_new_documents_are_not(client, listener):
    await client.ingest("One.", "a")
    updated = await client.ingest("Two.", "a")
    tenant, request = await listener.next()
    assert (tenant, request.collection, list(request.document_ids)) == ("acme", "docs", ["a"])
    assert request.collection_version == updated.collection_version
    version = await client.delete("a")
    _, request = await listener.next()
    assert (list(request.document_ids), request.collection_version) == (["a"], version)
    assert listener.heard.empty()


async def test_a_cache_that_is_away_is_told_later(client, listener):
    listener.deaf = 3
    await client.ingest("One.", "a")
    await client.ingest("Two.", "a")
    assert list((await listener.next())[1].document_ids) == ["a"]


async def test_without_a_cache_nothing_piles_up(running, postgres_url):
    async with running(postgres_url, forget_poll_s=0.02) as client_of:
        client = client_of("acme")
        await client.create()
        await client.ingest("One.", "a")
        await client.delete("a")
        await emptied(postgres_url)


async def test_replicas_tell_each_document_once(running, postgres_url, cache, listener):
    async with running(postgres_url, cache_target=cache, forget_poll_s=0.02) as one:
        await one("acme").create()
        async with running(postgres_url, cache_target=cache, forget_poll_s=0.02):
            for number in range(20):
                await one("acme").ingest(f"Text {number}.", f"d{number}")
                await one("acme").delete(f"d{number}")
            told: list[str] = []
            while len(told) < 20:
                told += (await listener.next())[1].document_ids
            # One that stops after it told, and before that is written down, leaves it to the other to tell again.
            await emptied(postgres_url)
    assert sorted(told) == sorted(f"d{number}" for number in range(20))
    assert listener.heard.empty()


async def emptied(postgres_url: str) -> None:
    """Returns once the outbox holds nothing."""
    with psycopg.connect(postgres_url, autocommit=True) as session:
        async with asyncio.timeout(20):
            while session.execute("SELECT count(*) FROM retrieval.forgotten_documents").fetchone() != (0,):  # noqa: ASYNC110
                await asyncio.sleep(0.02)
