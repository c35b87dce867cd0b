"""A database of an older release becomes one of this release, with all that is in it."""

from collections import Counter
from importlib.resources import files

import psycopg
import pytest

from weft_retrieval.ranking.bm25 import Bm25
from weft_retrieval.storage.collections import Collections
from weft_retrieval.storage.documents import DocumentStore
from weft_retrieval.storage.postgres import TenantDatabase
from weft_retrieval.storage.search import Index

FIRST = ("0001_collections.sql", "0002_chunks.sql")
TEXTS = ("moon moon sea", "moon bread")


@pytest.fixture
def older(postgres_url: str) -> str:
    """A database as the first release left it, with a document of a chunk for each of TEXTS."""
    with psycopg.connect(postgres_url, autocommit=True) as session:
        session.execute("CREATE SCHEMA retrieval")
        session.execute("SET search_path = retrieval, public")
        session.execute("CREATE TABLE migrations (name text PRIMARY KEY)")
        for name in FIRST:
            session.execute((files("weft_retrieval.storage.migrations") / name).read_bytes())
            session.execute("INSERT INTO migrations VALUES (%s)", (name,))
        length = sum(len(text.split()) for text in TEXTS)
        session.execute(
            "INSERT INTO collections (tenant, name, max_tokens, overlap_tokens, language, document_count, chunk_count,"
            " total_length) VALUES ('acme', 'docs', 800, 100, 'english', 1, %s, %s)", (len(TEXTS), length)
        )  # fmt: skip
        session.execute("INSERT INTO documents OVERRIDING SYSTEM VALUE"
                        " VALUES (1, 1, 'd', '', '', 'text', '{}', '', '', 2, 0, now())")  # fmt: skip
        holding = Counter(term for text in TEXTS for term in set(text.split()))
        for number, (term, count) in enumerate(holding.items(), start=1):
            session.execute("INSERT INTO terms OVERRIDING SYSTEM VALUE VALUES (%s, 1, %s, %s)", (number, term, count))
        for chunk, text in enumerate(TEXTS, start=1):
            insert_chunk(session, chunk, text)
    return postgres_url


def insert_chunk(session: psycopg.Connection, chunk: int, text: str) -> None:
    session.execute(
        "INSERT INTO chunks SELECT %s, 1, 1, gen_random_uuid(), %s, '{}', %s, %s, array_agg(id), 0"
        " FROM terms WHERE term = ANY(%s)",
        (chunk, chunk - 1, text, len(text.split()), text.split()),
    )
    for term, frequency in Counter(text.split()).items():
        session.execute(
            "INSERT INTO postings SELECT id, %s, %s, %s FROM terms WHERE term = %s",
            (chunk, frequency, len(text.split()), term),
        )


async def test_what_was_stored_is_found_and_can_be_deleted(older):
    async with TenantDatabase(older, connections=2, hnsw_ef_search=100) as database:
        collection = await Collections(database).collection("acme", "docs")
        index = Index(database, Bm25(0.9, 0.4), exact_windows=10)
        leg = await index.best_matching(collection, Counter(["moon"]), None, 10)
        assert [chunk for chunk, _ in leg] == [1, 2]
        assert [chunk for chunk, _ in await index.best_matching(collection, Counter(["bread"]), None, 10)] == [2]
        await DocumentStore(database).delete("acme", "docs", "d")
        assert await index.best_matching(collection, Counter(["moon"]), None, 10) == []
