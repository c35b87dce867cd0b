"""A collection deleted whole: nothing of it is left, nobody else loses anything, and no old answer comes back."""

import psycopg
import pytest
from tests.retrieval.storage.test_invalidation import Listener, cache, listener  # noqa: F401 - fixtures
from tests.retrieval.storage.test_postgres import EXACT_WINDOWS, counts, store, unit_vectors

from weft.common.v1 import error_pb2
from weft_kit.rpc.errors import WeftError
from weft_retrieval.deletion import CollectionDeletion
from weft_retrieval.storage.index import HnswIndexes
from weft_retrieval.storage.postgres import TenantDatabase


async def reason_of(call) -> int:
    with pytest.raises(WeftError) as caught:
        await call
    return caught.value.reason


async def test_a_deleted_collection_is_gone_and_the_others_are_as_they_were(client_of):
    acme, other = client_of("acme"), client_of("other")
    for client, name in ((acme, "docs"), (acme, "more"), (other, "docs")):
        await client.create(name)
        await client.ingest("The keeper lights the lamp.", "a", collection=name)
    assert await acme.delete_collection("docs") == 1
    assert await reason_of(acme.get("docs")) == error_pb2.ERROR_REASON_COLLECTION_NOT_FOUND
    assert await reason_of(acme.delete_collection("docs")) == error_pb2.ERROR_REASON_COLLECTION_NOT_FOUND
    assert [one.name for one in (await acme.collections()).collections] == ["more"]
    for client, name in ((acme, "more"), (other, "docs")):
        assert [hit.document_id for hit in (await client.search("lamp", name)).hits] == ["a"]


async def test_a_collection_made_again_is_empty_and_its_versions_go_on(client):
    await client.create()
    stored = await client.ingest("One.", "a")
    await client.delete_collection()
    again = await client.create()
    assert (again.document_count, again.chunk_count) == (0, 0)
    assert again.version > stored.collection_version


async def test_the_cache_is_told_of_every_document(running, postgres_url, cache, listener):  # noqa: F811 - fixtures
    async with running(postgres_url, cache_target=cache, forget_poll_s=0.02) as client_of:
        client = client_of("acme")
        await client.create()
        for name in ("a", "b"):
            stored = await client.ingest(f"Text {name}.", name)
        await client.delete_collection()
        tenant, told = await listener.next()
    assert (tenant, told.collection, sorted(told.document_ids)) == ("acme", "docs", ["a", "b"])
    assert told.collection_version > stored.collection_version


async def test_deleting_leaves_no_rows_and_no_index_behind(postgres_url):
    count = EXACT_WINDOWS + 1
    async with TenantDatabase(postgres_url, connections=4, hnsw_ef_search=100) as database:
        await store(database, "acme", {f"d{n}": f"text {n}" for n in range(count)}, unit_vectors(count))
        indexes = HnswIndexes(database, exact_windows=EXACT_WINDOWS)
        await indexes.build_due()
        assert await CollectionDeletion(database, indexes).delete("acme", "docs") == count
        await indexes.build_due()
    with psycopg.connect(postgres_url, options="-c search_path=retrieval,public") as session:
        assert set(counts(session).values()) == {0}
        left = session.execute("SELECT count(*) FROM pg_indexes WHERE indexname LIKE 'windows_hnsw_%'").fetchone()
        assert left == (0,)
