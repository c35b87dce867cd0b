"""A collection that is large before its index is built: searched all the same, and never for long."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psycopg
from prometheus_client import REGISTRY
from tests.retrieval.conftest import Client, Running

from weft.retrieval.v1 import retrieval_pb2 as pb

EXACT_WINDOWS = 2
FRUITS = ("apples", "pears", "plums", "cherries")


@asynccontextmanager
async def unindexed(running: Running, postgres_url: str, *, budget_s: float) -> AsyncIterator[Client]:
    """A service, and a collection that is due for an index which another replica builds for ever."""
    settings = {"exact_windows": EXACT_WINDOWS, "unindexed_budget_s": budget_s}
    async with (
        running(postgres_url, **settings) as client_of,
        await psycopg.AsyncConnection.connect(postgres_url, autocommit=True) as replica,
    ):
        client = client_of("acme")
        await client.create()
        await replica.execute("SELECT pg_advisory_lock(7603, id) FROM retrieval.collections")
        for fruit in FRUITS:
            await client.ingest(f"Here we talk about {fruit}.", fruit)
        yield client


def left_out() -> float:
    return REGISTRY.get_sample_value("weft_retrieval_dense_legs_left_out_total") or 0.0


async def test_every_window_is_compared_until_there_is_an_index(running, postgres_url):
    async with unindexed(running, postgres_url, budget_s=10) as client:
        hits = (await client.search("plums")).hits
    assert hits[0].document_id == "plums"
    assert {hit.document_id for hit in hits if hit.HasField("dense")} == set(FRUITS)


async def test_when_comparing_takes_too_long_words_alone_answer_and_are_counted(running, postgres_url):
    async with (
        unindexed(running, postgres_url, budget_s=0.5) as client,
        await psycopg.AsyncConnection.connect(postgres_url) as slow,
    ):
        await slow.execute("LOCK TABLE retrieval.windows IN ACCESS EXCLUSIVE MODE")
        before = left_out()
        answer = await client.search("plums")
        assert left_out() == before + 1
        assert [hit.document_id for hit in answer.hits] == ["plums"]
        assert not answer.hits[0].HasField("dense")
        await slow.rollback()
        assert names(await client.search("plums")) == set(FRUITS)


def names(answer: pb.SearchResponse) -> set[str]:
    return {hit.document_id for hit in answer.hits}
