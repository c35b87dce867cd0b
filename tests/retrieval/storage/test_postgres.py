"""What PostgreSQL holds and how it is searched, against plain references."""

import asyncio
from collections import Counter
from datetime import UTC, datetime
from hashlib import sha256
from importlib.resources import files
from math import log
from random import Random

import numpy as np
import psycopg
import pytest

from weft.common.v1.filter_pb2 import Condition, Filter, Value
from weft_kit.stores.postgres import migrate
from weft_retrieval.analysis.analysis import AnalysedTerms, analyzer, query_terms
from weft_retrieval.chunking.chunking import Chunk, Chunking
from weft_retrieval.formats import ContentType
from weft_retrieval.metadata import facts
from weft_retrieval.ranking.bm25 import Bm25
from weft_retrieval.records import Collection
from weft_retrieval.storage.collections import Collections
from weft_retrieval.storage.documents import DocumentStore
from weft_retrieval.storage.filters import Compiled, compile_filter
from weft_retrieval.storage.index import HnswIndexes
from weft_retrieval.storage.postgres import SCHEMA, TenantDatabase
from weft_retrieval.storage.revisions import IndexedChunk, IndexEntry, Revision
from weft_retrieval.storage.search import Index

NOW = datetime(2024, 5, 1, tzinfo=UTC)
K1, B = 0.9, 0.4
EXACT_WINDOWS = 50


@pytest.fixture
async def database(postgres_url):
    async with TenantDatabase(postgres_url, connections=4, hnsw_ef_search=100) as database:
        yield database


async def store(database: TenantDatabase, tenant: str, documents: dict[str, str], vectors: np.ndarray) -> Collection:
    """Stores one chunk with one window a document; metadata `n` is its place."""
    await Collections(database).create(tenant, "docs", Chunking(), "english")
    written = DocumentStore(database)
    for n, (document_id, text) in enumerate(documents.items()):
        seen = await written.standing(tenant, "docs", document_id)
        metadata = {"n": float(n)}
        entry = IndexEntry(
            document_id, "", "", ContentType.TEXT, metadata, facts(metadata), "", f"{n}{text}", "english"
        )
        key = sha256(f"{document_id} {text}".encode()).hexdigest()[:32]
        chunk = Chunk(key, 0, text, (), "", (text,))
        indexed = IndexedChunk(chunk, analyzer("english")(text), vectors[n : n + 1])
        assert await written.replace(seen, Revision(entry, [chunk], [indexed], "test", NOW))
    return await Collections(database).collection(tenant, "docs")


async def names(index: Index, collection: Collection, leg: list[tuple[int, float]]) -> list[tuple[str, float]]:
    found = await index.found(collection, [chunk for chunk, _ in leg])
    return [(found[chunk].document_id, score) for chunk, score in leg]


def unit_vectors(count: int, dimensions: int = 32, seed: int = 7) -> np.ndarray:
    vectors = np.random.default_rng(seed).standard_normal((count, dimensions)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def below(n: int) -> Compiled:
    value = Value(number=n)
    condition = Condition(field="metadata.n", operator=Condition.OPERATOR_LESS, values=[value])
    return compile_filter(Filter(condition=condition))


def bm25(query: str, documents: dict[str, str]) -> dict[str, float]:
    """Scores as the formula says, one document at a time."""
    analyze = analyzer("english")
    counts = {name: analyze(text) for name, text in documents.items()}
    average = sum(terms.length for terms in counts.values()) / len(counts)
    scores: Counter[str] = Counter()
    for term, weight in query_terms("english", query).items():
        holding = sum(term in terms.counts for terms in counts.values())
        idf = log(1 + (len(counts) - holding + 0.5) / (holding + 0.5))
        for name, terms in counts.items():
            norm = K1 * (1 - B + B * terms.length / average)
            count = terms.counts[term]
            scores[name] += weight * idf * count * (K1 + 1) / (count + norm) if count else 0
    return {name: score for name, score in scores.items() if score}


async def test_the_keyword_leg_is_bm25(database):
    random = Random(5)
    vocabulary = [f"word{n}" for n in range(60)]
    weights = [1 / (n + 1) for n in range(60)]
    documents = {f"d{n}": " ".join(random.choices(vocabulary, weights, k=random.randint(1, 80))) for n in range(80)}
    await store(database, "other", {f"o{n}": "word50 " * n for n in range(1, 9)}, unit_vectors(8))
    collection = await store(database, "acme", documents, unit_vectors(80))
    index = Index(database, Bm25(K1, B), exact_windows=EXACT_WINDOWS)
    for query in ("word0", "word3 word50 word50 word7", "word59 missing", "The words: word1's word2."):
        terms = query_terms("english", query)
        leg = await names(index, collection, await index.best_matching(collection, terms, None, 1000))
        expected = bm25(query, documents)
        assert dict(leg) == pytest.approx(expected)
        assert [score for _, score in leg] == pytest.approx(sorted(expected.values(), reverse=True))
        # A filter leaves out hits, but never changes the statistics.
        some = await names(index, collection, await index.best_matching(collection, terms, below(20), 1000))
        allowed = {f"d{n}" for n in range(20)}
        assert dict(some) == pytest.approx({name: score for name, score in expected.items() if name in allowed})


async def test_the_dense_leg_of_a_small_collection_is_exact(database):
    vectors = unit_vectors(60)
    collection = await store(database, "acme", {f"d{n}": f"text {n}" for n in range(60)}, vectors)
    index = Index(database, Bm25(K1, B), exact_windows=EXACT_WINDOWS)
    query = unit_vectors(1, seed=9)[0]
    leg = await names(index, collection, await index.nearest(collection, query, None, 10))
    order = np.argsort(-(vectors @ query))[:10]
    assert [name for name, _ in leg] == [f"d{n}" for n in order]
    assert [score for _, score in leg] == pytest.approx((vectors @ query)[order], abs=2e-3)


async def test_a_chunk_of_many_near_windows_leaves_the_others_their_places(database):
    query = unit_vectors(1, seed=9)[0]
    near = query + 0.01 * unit_vectors(40)
    await store(database, "acme", {f"d{n}": f"text {n}" for n in range(9)}, unit_vectors(9))
    documents = DocumentStore(database)
    chunk = Chunk("0" * 32, 0, "crowd", (), "", ("",) * len(near))
    entry = IndexEntry("crowd", "", "", ContentType.TEXT, {}, (), "", "crowd", "english")
    revision = Revision(entry, [chunk], [IndexedChunk(chunk, AnalysedTerms(Counter(["crowd"]), 1), near)], "test", NOW)
    assert await documents.replace(await documents.standing("acme", "docs", "crowd"), revision)
    collection = await Collections(database).collection("acme", "docs")
    index = Index(database, Bm25(K1, B), exact_windows=EXACT_WINDOWS)
    leg = await names(index, collection, await index.nearest(collection, query, None, 5))
    assert leg[0][0] == "crowd"
    assert len(leg) == 5


async def test_a_large_collection_gets_an_index_of_its_own_that_loses_no_hits(database, postgres_url):
    count = EXACT_WINDOWS + 40
    vectors = unit_vectors(count)
    await store(database, "other", {"o": "text"}, unit_vectors(1))
    await store(database, "acme", {f"d{n}": f"text {n}" for n in range(count)}, vectors)
    await HnswIndexes(database, exact_windows=EXACT_WINDOWS).build_due()
    collection = await Collections(database).collection("acme", "docs")
    assert collection.hnsw
    assert not (await Collections(database).collection("other", "docs")).hnsw
    queries = unit_vectors(10, seed=11)
    async with TenantDatabase(postgres_url, connections=2, hnsw_ef_search=100) as searched:
        index = Index(searched, Bm25(K1, B), exact_windows=EXACT_WINDOWS)
        legs = [await names(index, collection, await index.nearest(collection, query, None, 10)) for query in queries]
        async with searched.connection(5) as one, searched.connection(5) as two:
            for connection in (one, two):
                await connection.execute("SELECT pg_stat_force_next_flush()")
    best = [{f"d{n}" for n in np.argsort(-(vectors @ query))[:10]} for query in queries]
    right = sum(len({name for name, _ in leg} & expected) for leg, expected in zip(legs, best, strict=True))
    assert right >= 98
    with psycopg.connect(postgres_url) as session:
        query = "SELECT idx_scan FROM pg_stat_user_indexes WHERE indexrelname = 'windows_hnsw_2'"
        (scans,) = session.execute(query).fetchone()
        # Though nobody has analysed these tables, and PostgreSQL would rather sort what it takes for a few rows.
        assert scans >= len(queries)
        query = "SELECT reloptions FROM pg_class WHERE relname = 'windows_hnsw_2'"
        # Built with more care than what is added gets, for which a writer waits.
        assert session.execute(query).fetchone() == (["m=12", "ef_construction=64"],)


async def test_a_filter_never_leaves_fewer_hits_than_there_are(database):
    count = EXACT_WINDOWS + 40
    await store(database, "acme", {f"d{n}": f"text {n}" for n in range(count)}, unit_vectors(count))
    await HnswIndexes(database, exact_windows=EXACT_WINDOWS).build_due()
    collection = await Collections(database).collection("acme", "docs")
    index = Index(database, Bm25(K1, B), exact_windows=EXACT_WINDOWS)
    for allowed in (5, EXACT_WINDOWS + 20):
        leg = await index.nearest(collection, unit_vectors(1, seed=3)[0], below(allowed), 60)
        assert len(leg) == min(allowed, 60)


async def test_an_interrupted_index_is_built_anew(database, superuser_url):
    count = EXACT_WINDOWS + 1
    collection = await store(database, "acme", {f"d{n}": "text" for n in range(count)}, unit_vectors(count))
    with psycopg.connect(superuser_url, autocommit=True, options="-c search_path=retrieval,public") as session:
        session.execute(f"CREATE INDEX windows_hnsw_{collection.id} ON windows (chunk)")
        session.execute(
            "UPDATE pg_index SET indisvalid = false WHERE indexrelid = %s::regclass", (f"windows_hnsw_{collection.id}",)
        )
        await HnswIndexes(database, exact_windows=EXACT_WINDOWS).build_due()
        (definition,) = session.execute(
            "SELECT indexdef FROM pg_indexes WHERE indexname = %s", (f"windows_hnsw_{collection.id}",)
        ).fetchone()
    assert "hnsw" in definition


async def test_replacing_and_deleting_leave_no_orphans(database, superuser_url):
    await store(database, "acme", {"d": "one two three", "e": "two four"}, unit_vectors(2))
    await store(database, "acme", {"d": "five", "e": "two"}, unit_vectors(2))
    with psycopg.connect(superuser_url, options="-c search_path=retrieval,public") as session:
        terms = session.execute("SELECT term FROM postings ORDER BY term").fetchall()
        assert terms == [("five",), ("two",)]
        assert counts(session) == {
            "documents": 2, "chunks": 2, "windows": 2, "facts": 2, "postings": 2, "segments": 0
        }  # fmt: skip
    for name in ("d", "e"):
        await DocumentStore(database).delete("acme", "docs", name)
    with psycopg.connect(superuser_url, options="-c search_path=retrieval,public") as session:
        assert set(counts(session).values()) == {0}
    collection = await Collections(database).collection("acme", "docs")
    assert (collection.document_count, collection.chunk_count, collection.window_count, collection.total_length) == (
        0,
    ) * 4


def counts(session: psycopg.Connection) -> dict[str, int]:
    tables = ("documents", "chunks", "windows", "facts", "postings", "segments")
    return {table: session.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in tables}  # noqa: S608


async def test_a_write_that_lost_a_race_changes_nothing(database):
    await store(database, "acme", {"d": "one"}, unit_vectors(1))
    documents = DocumentStore(database)
    seen = await documents.standing("acme", "docs", "d")
    await store(database, "acme", {"d": "two"}, unit_vectors(1))
    entry = IndexEntry("d", "", "", ContentType.TEXT, {}, (), "", "late", "english")
    assert await documents.replace(seen, Revision(entry, [], [], "test", NOW)) is None
    assert (await documents.standing("acme", "docs", "d")).fingerprint == "0two"


async def test_what_postgresql_refuses_half_way_is_named_and_leaves_nothing(database, superuser_url):
    count = EXACT_WINDOWS + 1
    await store(database, "acme", {f"d{n}": "text" for n in range(count)}, unit_vectors(count))
    await HnswIndexes(database, exact_windows=EXACT_WINDOWS).build_due()
    with pytest.raises(psycopg.DataError, match="32 dimensions"):
        await store(database, "acme", {"short": "never seen"}, unit_vectors(1, dimensions=8))
    assert (await DocumentStore(database).standing("acme", "docs", "short")).document is None
    with psycopg.connect(superuser_url, options="-c search_path=retrieval,public") as session:
        assert counts(session)["documents"] == counts(session)["chunks"] == count
    # The connection is as good as it was.
    await store(database, "acme", {"next": "text"}, unit_vectors(1))


async def test_two_replicas_migrate_at_once_and_again(postgres_url):
    async def one_replica() -> None:
        async with await psycopg.AsyncConnection.connect(postgres_url, autocommit=True) as connection:
            await migrate(connection, SCHEMA)

    await asyncio.gather(*(one_replica() for _ in range(4)))
    await one_replica()
    with psycopg.connect(postgres_url) as session:
        applied = session.execute("SELECT name FROM retrieval.migrations ORDER BY name").fetchall()
    steps = files("weft_retrieval.storage.migrations").iterdir()
    assert [name for (name,) in applied] == sorted(step.name for step in steps if step.name.endswith(".sql"))
