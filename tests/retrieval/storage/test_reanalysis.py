"""What an older release stored is found by its words before, while and after it is analysed anew."""

import asyncio
from collections import Counter
from datetime import UTC, datetime
from importlib.resources import files
from struct import iter_unpack

import numpy as np
import psycopg
import pytest
from tests.support.waiting import until

from weft_kit.rpc.errors import DependencyDown
from weft_retrieval.analysis.analyses import Analysis
from weft_retrieval.analysis.analysis import ANALYSIS, analyzer
from weft_retrieval.analysis.former_analysis import former_terms
from weft_retrieval.chunking.chunking import Chunk, Chunking, Cutter
from weft_retrieval.chunking.tokens import load_tokenizer
from weft_retrieval.formats import ContentType, parse
from weft_retrieval.ranking.bm25 import POSTING_BYTES, Bm25, pack
from weft_retrieval.search.search import wanted_terms
from weft_retrieval.storage.collections import Collections
from weft_retrieval.storage.documents import DocumentStore
from weft_retrieval.storage.postgres import TenantDatabase
from weft_retrieval.storage.reanalysis import Reanalysis, as_it_was
from weft_retrieval.storage.revisions import IndexedChunk, IndexEntry, Revision
from weft_retrieval.storage.search import Index

LAST_OLD = "0015_mesh.sql"
# Chunks, more than one step takes; their postings of a common term are more than a segment holds.
MANY = 600
TEXTS = {
    0: "l'hôpital de Lyon",
    5: "see ERR-4031 now",
    40: "यह हिन्दी भाषा",
    90: "ความสุขในสังคม",
    MANY - 1: "plain words",
}


def text_of(number: int) -> str:
    return TEXTS.get(number, f"filler e-mail number {number}")


@pytest.fixture
def older(postgres_url: str, superuser_url: str) -> str:
    """A database as the release before left it, with a document of a chunk for each number below MANY."""
    with psycopg.connect(postgres_url, autocommit=True) as session:
        session.execute("CREATE SCHEMA retrieval")
        session.execute("SET search_path = retrieval, public")
        session.execute("CREATE TABLE migrations (name text PRIMARY KEY)")
        steps = (step for step in files("weft_retrieval.storage.migrations").iterdir() if step.name.endswith(".sql"))
        for step in sorted(steps, key=lambda step: step.name):
            if step.name <= LAST_OLD:
                session.execute(step.read_bytes())
                session.execute("INSERT INTO migrations VALUES (%s)", (step.name,))
    # Row-level security keeps even the owner out.
    with psycopg.connect(superuser_url, autocommit=True, options="-c search_path=retrieval,public") as session:
        terms = {number + 1: former_terms("english", f"Title\n{text_of(number)}") for number in range(MANY)}
        session.execute(
            "INSERT INTO collections (tenant, name, max_tokens, overlap_tokens, language, document_count, chunk_count,"
            " total_length) VALUES ('acme', 'docs', 800, 100, 'english', 1, %s, %s)",
            (MANY, sum(found.total() for found in terms.values())),
        )
        session.execute("INSERT INTO documents OVERRIDING SYSTEM VALUE"
                        " VALUES (1, 1, 'd', 'Title', '', 'text', '{}', '', '', %s, 0, now())", (MANY,))  # fmt: skip
        for chunk, found in terms.items():
            session.execute(
                "INSERT INTO chunks (id, collection_id, document, key, ordinal, headings, body, length, terms,"
                " window_count) VALUES (%s, 1, 1, gen_random_uuid(), %s, '{}', %s, %s, %s, 0)",
                (chunk, chunk - 1, text_of(chunk - 1), found.total(), list(found)),
            )
            for term, count in found.items():
                session.execute("INSERT INTO postings VALUES (1, %s, %s, %s)",
                                (term, chunk, pack(chunk, count, found.total())))  # fmt: skip
        session.execute("SELECT setval('chunks_id_seq', %s)", (MANY,))
        session.execute("SELECT setval('documents_id_seq', 1)")
    return postgres_url


@pytest.fixture
async def database(older):
    async with TenantDatabase(older, connections=4, hnsw_ef_search=100) as database:
        yield database


async def best(database: TenantDatabase, query: str) -> int:
    """Returns the number of the first chunk that a query's words find; -1 when there is none."""
    collection = await Collections(database).collection("acme", "docs")
    index = Index(database, Bm25(0.9, 0.4), exact_windows=10)
    leg = await index.best_matching(collection, wanted_terms(collection, query), None, 10)
    return leg[0][0] - 1 if leg else -1


async def all_steps(database: TenantDatabase) -> None:
    reanalysis = Reanalysis(database)
    while await reanalysis.step():
        pass


def check(superuser_url: str) -> None:
    """Holds the terms of every chunk, and all postings in their order, against the analysis."""
    expected = {number + 1: analyzer("english")(f"Title\n{text_of(number)}").counts for number in range(MANY)}
    with psycopg.connect(superuser_url, options="-c search_path=retrieval,public") as session:
        stored = {chunk: Counter(terms) for chunk, terms in session.execute("SELECT id, terms FROM chunks").fetchall()}
        assert stored == {chunk: Counter(counts.keys()) for chunk, counts in expected.items()}
        found: dict[int, Counter[str]] = {chunk: Counter() for chunk in expected}
        places: dict[str, list[int]] = {}
        rows = session.execute("SELECT term, first, postings FROM segments ORDER BY term, first").fetchall()
        for term, first, packed in rows:
            assert len(packed) <= 512 * POSTING_BYTES
            entries = list(iter_unpack(">qHH", packed))
            assert first <= entries[0][0]
            places.setdefault(term, []).extend([first, *(chunk for chunk, *_ in entries)])
            for chunk, count, _ in entries:
                found[chunk][term] += count
        assert found == expected
        assert all(chunks == sorted(chunks) for chunks in places.values())
        assert session.execute("SELECT count(*) FROM postings").fetchone() == (0,)
        ((lengths, total),) = session.execute("SELECT (SELECT sum(length) FROM chunks), total_length FROM collections")
        assert lengths == total


async def test_what_was_stored_is_found_by_old_words_at_once_and_by_new_ones_in_the_end(database, superuser_url):
    assert await best(database, "l'hôpital") == 0
    assert await best(database, "ERR-4031") == 5
    assert await best(database, "hopital") == -1
    await all_steps(database)
    for number, query in {0: "hopital", 5: "ERR4031", 40: "हिन्दी", 90: "สังคม", MANY - 1: "plain"}.items():
        assert await best(database, query) == number
    check(superuser_url)
    assert await Reanalysis(database).step() == 0


@pytest.mark.parametrize("title", ["", "Manual", "alpha"])
def test_the_text_of_a_chunk_is_what_it_was_when_it_was_stored(title):
    parsed = parse(b"# Alpha\n\none two\n\n## Beta\n\n" + b"three four. " * 200, ContentType.MARKDOWN)
    chunks = Cutter(load_tokenizer(None), 256).chunks("d", title, parsed, Chunking(100, 10))
    assert len({chunk.context for chunk in chunks}) > 1
    for chunk in chunks:
        former = former_terms("english", f"{chunk.context}\n{chunk.text}")
        was = as_it_was(Analysis("english", 1), title, chunk.headings, chunk.text, former.total())[1]
        assert (was.counts, was.length) == (former, former.total())


async def test_half_way_both_halves_are_found(database):
    await Reanalysis(database).step()
    assert await best(database, "hopital") == 0
    assert await best(database, "plain words") == MANY - 1
    assert (await Collections(database).collection("acme", "docs")).analysis == 1


async def test_what_is_killed_half_way_is_gone_on_with(database, older, superuser_url):
    await Reanalysis(database).step()
    with psycopg.connect(superuser_url, autocommit=True) as watcher, psycopg.connect(older) as writer:
        writer.execute("SELECT FROM retrieval.collections FOR UPDATE")
        killed = asyncio.create_task(Reanalysis(database).step())
        waiting = "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        for (pid,) in await until("it waits", lambda: watcher.execute(waiting).fetchall()):
            watcher.execute("SELECT pg_terminate_backend(%s)", (pid,))
        with pytest.raises(DependencyDown):
            await killed
    assert await best(database, "hopital") == 0
    await all_steps(database)
    check(superuser_url)


async def test_replicas_that_analyse_the_same_chunks_store_them_once(database, older, superuser_url):
    async with TenantDatabase(older, connections=4, hnsw_ef_search=100) as other:
        await asyncio.gather(all_steps(database), all_steps(other))
    check(superuser_url)


async def test_documents_come_and_go_meanwhile_and_leave_nothing_behind(database, superuser_url):
    documents, reanalysis = DocumentStore(database), Reanalysis(database)
    await reanalysis.step()
    seen = await documents.standing("acme", "docs", "new")
    chunk = Chunk("0" * 32, 0, "see ERR-4099", (), "", ("",))
    new = IndexedChunk(chunk, analyzer("english")("see ERR-4099"), np.eye(1, 8, dtype=np.float32))
    entry = IndexEntry("new", "", "", ContentType.TEXT, {}, (), "", "new", "english")
    assert await documents.replace(seen, Revision(entry, [chunk], [new], "test", datetime.now(UTC)))
    await reanalysis.step()
    assert await best(database, "ERR4099") == MANY
    await documents.delete("acme", "docs", "d")
    await all_steps(database)
    await documents.delete("acme", "docs", "new")
    with psycopg.connect(superuser_url, options="-c search_path=retrieval,public") as session:
        for table in ("chunks", "postings", "segments"):
            assert session.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)  # noqa: S608
    collection = await Collections(database).collection("acme", "docs")
    assert (collection.total_length, collection.analysis) == (0, ANALYSIS)
