"""Two tenants with the same collection name never see each other."""

from collections import Counter
from dataclasses import replace

import grpc
import psycopg
import pytest

from weft_kit.rpc.errors import WeftError
from weft_retrieval.ranking.bm25 import Bm25
from weft_retrieval.storage.collections import Collections
from weft_retrieval.storage.postgres import TenantDatabase
from weft_retrieval.storage.search import Index

SECRET = "The launch code is heliotrope."
OPEN = "The lunch menu is heliotrope salad."


@pytest.fixture
async def two(client_of):
    """Both tenants hold a document of the same id in a collection of the same name, one of them a secret."""
    ours, theirs = client_of("ours"), client_of("theirs")
    for client, text in ((ours, OPEN), (theirs, SECRET)):
        await client.create()
        await client.ingest(text, "d", metadata={"kind": "x"})
    return ours, theirs


async def test_a_search_sees_its_own_tenant_only(two):
    ours, theirs = two
    for query in ("launch code", SECRET, "heliotrope"):
        assert [hit.text for hit in (await ours.search(query, top_k=100)).hits] == [OPEN]
        assert [hit.text for hit in (await theirs.search(query, top_k=100)).hits] == [SECRET]


async def test_lists_and_counts_see_their_own_tenant_only(two, client_of):
    ours, _ = two
    assert (await ours.get()).document_count == 1
    assert len((await ours.documents()).documents) == 1
    assert len((await ours.collections()).collections) == 1
    assert not (await client_of("stranger").collections()).collections
    with pytest.raises(WeftError) as caught:
        await client_of("stranger").search("heliotrope")
    assert caught.value.status is grpc.StatusCode.NOT_FOUND


async def test_writing_touches_its_own_tenant_only(two):
    ours, theirs = two
    before = await theirs.get()
    await ours.ingest("All new.", "d")
    await ours.delete("d")
    assert await theirs.get() == before
    assert [hit.text for hit in (await theirs.search("launch")).hits] == [SECRET]


async def test_scores_do_not_depend_on_what_others_store(client_of):
    ours, theirs = client_of("ours"), client_of("theirs")
    await ours.create()
    for n, text in enumerate(("rare word", "common word", "common thing")):
        await ours.ingest(text, str(n))
    before = await ours.search("rare common word")
    await theirs.create()
    for n in range(20):
        await theirs.ingest(f"rare rare rare {n}", str(n))
    assert await ours.search("rare common word") == before


async def test_a_neighbour_that_fills_the_index_takes_no_hits_away(running, postgres_url):
    question = "heliotrope in the garden at noon"
    async with running(postgres_url, exact_windows=20) as small:
        quiet, loud = small("quiet"), small("loud")
        for client in (quiet, loud):
            await client.create()
        for n in range(30):
            await quiet.ingest(f"Heliotrope number {n} in a garden.", str(n))
        before = await quiet.search(question, top_k=30)
        # Far more of the very same words, and nearer to the question than anything of ours.
        for n in range(60):
            await loud.ingest(f"{question} {n}", str(n))
        assert await quiet.search(question, top_k=30) == before
        assert len(before.hits) == 30


async def test_even_a_guessed_collection_id_finds_nothing_under_another_tenant(two, postgres_url, embedder):
    vector = embedder.vector("heliotrope")
    async with TenantDatabase(postgres_url, connections=3, hnsw_ef_search=100) as database:
        own = await Collections(database).collection("ours", "docs")
        index = Index(database, Bm25(0.9, 0.4), exact_windows=10)
        chunks = [chunk for chunk, _ in await index.nearest(own, vector, None, 10)]
        assert len(chunks) == 1
        for tenant in ("", "OURS", "ours ", "%", "ours'--", "theirs"):
            forged = replace(own, tenant=tenant)
            assert await index.nearest(forged, vector, None, 10) == []
            assert await index.best_matching(forged, Counter(["heliotrop"]), None, 10) == []
            assert await index.found(forged, chunks) == {}


async def test_no_table_holds_rows_without_a_collection(two, superuser_url):
    with psycopg.connect(superuser_url) as session:
        for table in ("chunks", "windows", "facts", "postings"):
            counts = session.execute(
                f"SELECT collection_id, count(*) FROM retrieval.{table} GROUP BY 1 ORDER BY 1"  # noqa: S608
            ).fetchall()
            assert [collection for collection, _ in counts] == [1, 2], table
