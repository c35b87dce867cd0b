"""A document that changes or goes is told to the cache, once it is sure to have changed."""

import asyncio
from collections.abc import AsyncIterator

import psycopg
import pytest
from tests.support.waiting import until

from weft.cache.v1 import cache_pb2 as pb
from weft.cache.v1 import cache_pb2_grpc as rpc
from weft_kit.rpc.context import current_tenant
from weft_kit.rpc.errors import DependencyDown, Internal
from weft_kit.rpc.server import Server, Service


class Listener(rpc.CacheServiceServicer):
    """Hears what is to be forgotten; turns a deaf ear as often as told, and refuses some documents for ever."""

    def __init__(self) -> None:
        self.heard: asyncio.Queue[tuple[str, pb.InvalidateRequest]] = asyncio.Queue()
        self.deaf = 0
        self.refuses: set[str] = set()
        self.calls = 0

    async def Invalidate(self, request: pb.InvalidateRequest, _: object) -> pb.InvalidateResponse:
        self.calls += 1
        if self.refuses.intersection(request.document_ids):
            raise Internal("")
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


async def test_what_the_cache_refuses_stands_alone_and_is_told_again_later(client, listener, postgres_url):
    listener.refuses = {"d7", "d40"}
    listener.deaf = 10**9
    await asyncio.gather(*(client.ingest(f"One {number}.", f"d{number}") for number in range(64)))
    await asyncio.gather(*(client.ingest(f"Two {number}.", f"d{number}") for number in range(64)))
    before, listener.deaf = listener.calls, 0
    told: set[str] = set()
    while len(told) < 62:
        told.update((await listener.next())[1].document_ids)
    await client.ingest("Three.", "d1")
    assert list((await listener.next())[1].document_ids) == ["d1"]
    async with asyncio.timeout(20):
        while waiting(postgres_url) != [("d40", 1, "INTERNAL"), ("d7", 1, "INTERNAL")]:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    # Each of the two costs two calls a level, and some rounds were under way before the cache heard again.
    assert listener.calls - before < 4 * 2 * 6
    listener.refuses.clear()
    make_due(postgres_url)
    await emptied(postgres_url)


async def test_what_is_refused_again_and_again_is_set_aside(client, listener, postgres_url):
    listener.refuses = {"a"}
    await client.ingest("One.", "a")
    await client.ingest("Two.", "a")

    def is_set_aside() -> bool:
        make_due(postgres_url)
        return waiting(postgres_url) == [("a", 12, "INTERNAL")]

    await until("it is set aside", is_set_aside, within_s=60)
    for _ in range(3):
        make_due(postgres_url)
        await asyncio.sleep(0.02)
    assert waiting(postgres_url) == [("a", 12, "INTERNAL")]
    listener.refuses.clear()
    await client.ingest("Three.", "b")
    await client.ingest("Four.", "b")
    assert list((await listener.next())[1].document_ids) == ["b"]
    await client.delete_collection()
    await emptied(postgres_url)


async def test_a_call_that_cannot_be_made_holds_up_no_other(running, postgres_url, cache, listener):
    async with running(postgres_url, cache_target=cache, forget_poll_s=0.02) as client_of:
        client = client_of("acme")
        await client.create()
        await client.ingest("One.", "a")
        with psycopg.connect(postgres_url, autocommit=True) as session:
            session.execute(
                "INSERT INTO retrieval.forgotten_documents (tenant, collection, document_id, version)"
                " VALUES (E'no\nheader', 'docs', 'z', 1)"
            )
        await client.ingest("Two.", "a")
        assert list((await listener.next())[1].document_ids) == ["a"]
        async with asyncio.timeout(20):
            while [row[:2] for row in waiting(postgres_url)] != [("z", 1)]:  # noqa: ASYNC110  # a table tells nobody
                await asyncio.sleep(0.02)


def make_due(postgres_url: str) -> None:
    """Has what was refused, and is not set aside, told at once."""
    with psycopg.connect(postgres_url, autocommit=True) as session:
        session.execute(
            "UPDATE retrieval.forgotten_documents SET next_time = now() WHERE id IN (SELECT id FROM"
            " retrieval.forgotten_documents WHERE next_time < 'infinity' FOR UPDATE SKIP LOCKED)"
        )


def waiting(postgres_url: str) -> list[tuple[str, int, str]]:
    """What is left in the outbox, with how often it was refused and why."""
    with psycopg.connect(postgres_url) as session:
        query = "SELECT document_id, refusals, reason FROM retrieval.forgotten_documents ORDER BY document_id"
        return session.execute(query).fetchall()


async def emptied(postgres_url: str) -> None:
    """Returns once the outbox holds nothing."""
    with psycopg.connect(postgres_url, autocommit=True) as session:
        async with asyncio.timeout(20):
            while session.execute("SELECT count(*) FROM retrieval.forgotten_documents").fetchone() != (0,):  # noqa: ASYNC110
                await asyncio.sleep(0.02)
