"""The second fence: PostgreSQL itself shows a transaction the rows of one tenant, whatever the query says."""

import psycopg
import pytest
from psycopg import sql

from weft_retrieval.chunking.chunking import Chunking
from weft_retrieval.storage.collections import Collections
from weft_retrieval.storage.index import HnswIndexes
from weft_retrieval.storage.postgres import TenantDatabase

TABLES = ("collections", "documents", "facts", "chunks", "windows", "postings")


@pytest.fixture
async def fenced(client_of, postgres_url):
    """A database in which two tenants store a document each."""
    for tenant in ("ours", "theirs"):
        client = client_of(tenant)
        await client.create()
        await client.ingest(f"Heliotrope of {tenant}.", "d", metadata={"owner": tenant})
    async with TenantDatabase(postgres_url, connections=2, hnsw_ef_search=100) as database:
        yield database


async def rows(connection: psycopg.AsyncConnection, table: str) -> int:
    cursor = await connection.execute(sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier("retrieval", table)))
    return (await cursor.fetchone())[0]


@pytest.mark.parametrize("table", TABLES)
async def test_a_query_that_forgot_its_where_sees_its_own_tenant_only(fenced, table):
    counts = {}
    for tenant in ("ours", "theirs", "nobody", ""):
        async with fenced.transaction(tenant, 5) as connection:
            counts[tenant] = await rows(connection, table)
    assert counts["ours"] == counts["theirs"] > 0
    assert counts["nobody"] == counts[""] == 0


async def test_others_rows_are_neither_changed_nor_deleted(fenced):
    async with fenced.transaction("ours", 5) as connection:
        await connection.execute("UPDATE documents SET title = 'taken'")
        await connection.execute("DELETE FROM chunks")
    async with fenced.transaction("theirs", 5) as connection:
        assert await rows(connection, "chunks") == 1
        titles = await (await connection.execute("SELECT title FROM documents")).fetchall()
        assert titles == [("",)]


async def test_no_row_is_written_for_another_tenant(fenced):
    async with fenced.transaction("theirs", 5) as connection:
        (theirs,) = await (await connection.execute("SELECT id FROM collections")).fetchone()
    posting = "INSERT INTO postings (collection_id, term, first, postings) VALUES (%s, 'x', 1, '')"
    for statement, value in (
        (posting, theirs),
        ("UPDATE documents SET collection_id = %s", theirs),
        ("UPDATE collections SET tenant = %s", "theirs"),
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="row-level security"):
            async with fenced.transaction("ours", 5) as connection:
                await connection.execute(statement, (value,))


async def test_nothing_of_a_transaction_stays_in_its_session(fenced, postgres_url):
    async with TenantDatabase(postgres_url, connections=2, hnsw_ef_search=100) as database:
        async with database.transaction("ours", 5) as connection:
            session = connection.info.backend_pid
        while True:
            async with database.connection(5) as connection:
                if connection.info.backend_pid != session:
                    continue
                query = "SELECT current_setting('weft.tenant', true), current_setting('role'), session_user"
                tenant, role, user = await (await connection.execute(query)).fetchone()
                break
    assert (tenant or "", role, user) == ("", "none", user)


async def test_a_tenants_name_is_data_wherever_it_stands(postgres_url):
    evil = "x'; SET ROLE postgres; --\"%s{}\\"
    async with TenantDatabase(postgres_url, connections=2, hnsw_ef_search=100) as database:
        await Collections(database).create(evil, "docs", Chunking(), "english")
        assert [found.tenant for found in await Collections(database).collections(evil, "", 10)] == [evil]
        async with database.transaction(evil, 5) as connection:
            (role,) = await (await connection.execute("SELECT current_user")).fetchone()
            assert role == "weft_retrieval"


async def test_an_owner_without_privileges_keeps_the_service_and_reads_no_content(running, postgres_url):
    async with running(postgres_url) as client_of:
        client = client_of("acme")
        await client.create()
        for n in range(3):
            await client.ingest(f"Heliotrope number {n}.", str(n))
        assert len((await client.search("heliotrope")).hits) == 3
    async with TenantDatabase(postgres_url, connections=2, hnsw_ef_search=100) as database:
        await HnswIndexes(database, exact_windows=2).build_due()
        assert (await Collections(database).collection("acme", "docs")).hnsw
        async with database.connection(5) as connection:
            assert await rows(connection, "collections") == 1
            assert [await rows(connection, table) for table in TABLES[1:]] == [0] * 5


async def test_every_table_stands_behind_the_fence(fenced, postgres_url):
    query = """
        SELECT relname FROM pg_class WHERE relnamespace = 'retrieval'::regnamespace AND relkind = 'r'
            AND NOT (relrowsecurity AND relforcerowsecurity) ORDER BY relname
    """
    with psycopg.connect(postgres_url) as session:
        assert session.execute(query).fetchall() == [("migrations",), ("page_token_key",)]
