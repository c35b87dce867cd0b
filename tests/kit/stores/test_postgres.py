"""A database may come after the service, and its schema is brought up to date before the first query."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from structlog.testing import capture_logs

from weft_compose.servers import PostgresServer
from weft_kit.mesh_id import OtherMesh
from weft_kit.rpc.errors import DependencyDown
from weft_kit.stores.postgres import Connection, Database, OutageWords, PoolLimits, Schema, migrate

MESH = "CREATE TABLE mesh (only_row boolean PRIMARY KEY DEFAULT true, id text, database uuid DEFAULT gen_random_uuid())"
LIMITS = PoolLimits(least=1, most=2, wait_s=1.0)
WORDS = OutageWords(advice="the store does not answer; start it")
DIVISION = "SELECT 1 / 0"


@pytest.fixture
def schema(tmp_path: Path) -> Schema:
    (tmp_path / "0001_mesh.sql").write_text(MESH)
    (tmp_path / "README").write_text("no migration")
    return Schema(name="public", files=tmp_path, applied="applied", lock=1)


@pytest.fixture
def absent(postgres_server: PostgresServer) -> Iterator[str]:
    """The name of a database that is not made yet, and is dropped afterwards if a test made it."""
    name = f"test_{uuid4().hex}"
    yield name
    with postgres_server.superuser("postgres") as session:
        session.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


async def names(connection: Connection) -> list[str]:
    return [name for (name,) in await (await connection.execute("SELECT name FROM applied")).fetchall()]


async def test_files_are_applied_once_in_the_order_of_their_names(postgres_url: str, schema: Schema, tmp_path: Path):
    (tmp_path / "0003_more.sql").write_text("ALTER TABLE things ADD b int")
    (tmp_path / "0002_things.sql").write_text("CREATE TABLE things (a int)")
    async with Database(postgres_url, schema, LIMITS, WORDS) as database, database.connection(10) as connection:
        assert await names(connection) == ["0001_mesh.sql", "0002_things.sql", "0003_more.sql"]
        (tmp_path / "0004_less.sql").write_text("ALTER TABLE things DROP a")
        await migrate(connection, schema)
        assert (await names(connection))[3:] == ["0004_less.sql"]


async def test_a_file_that_fails_leaves_nothing_behind(postgres_url: str, schema: Schema, tmp_path: Path):
    (tmp_path / "0002_wrong.sql").write_text(DIVISION)
    async with await psycopg.AsyncConnection.connect(postgres_url, autocommit=True) as connection:
        with pytest.raises(psycopg.errors.DivisionByZero):
            await migrate(connection, schema)
        tables = await connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        assert await tables.fetchall() == []


async def test_the_setup_comes_first_each_time(postgres_url: str, schema: Schema):
    own = replace(
        schema,
        name="own",
        setup=("CREATE SCHEMA IF NOT EXISTS own", "SELECT set_config('search_path', 'own', true)"),
    )
    async with Database(postgres_url, own, LIMITS, WORDS) as database, database.connection(10) as connection:
        await migrate(connection, own)
        tables = await connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'own' ORDER BY 1")
        assert await tables.fetchall() == [("applied",), ("mesh",)]


async def test_a_database_that_comes_late_is_used_as_soon_as_it_answers(
    postgres_server: PostgresServer, absent: str, schema: Schema
):
    with capture_logs() as lines:
        async with Database(postgres_server.database_url(absent), schema, LIMITS, WORDS) as database:
            with pytest.raises(DependencyDown, match="the store does not answer; start it"):
                async with database.connection(0.3):
                    pass
            assert await database.identity(0) == ""
            await asyncio.to_thread(postgres_server.create_database, absent)
            async with database.connection(10) as connection:
                assert await names(connection) == ["0001_mesh.sql"]
            assert await database.identity() != ""
            await database.check()
    told = [line["event"] for line in lines if line["event"].startswith("postgresql")]
    assert told == ["postgresql does not answer", "postgresql answers again"]


async def test_a_schema_that_is_late_is_not_waited_for_past_its_limit(
    postgres_server: PostgresServer, absent: str, schema: Schema
):
    limits = replace(LIMITS, schema_wait_s=0.1)
    async with Database(postgres_server.database_url(absent), schema, limits, WORDS) as database:
        with pytest.raises(DependencyDown):
            async with asyncio.timeout(5), database.connection(60):
                pass


async def test_another_meshs_database_stays_shut(postgres_url: str, schema: Schema):
    async with Database(postgres_url, schema, LIMITS, WORDS, mesh_id="first") as database:
        await database.identity()
    async with Database(postgres_url, schema, LIMITS, WORDS, mesh_id="second") as database:
        with pytest.raises(OtherMesh):
            await database.identity()
        with pytest.raises(DependencyDown):
            async with database.connection(0.2):
                pass


@pytest.mark.parametrize(("is_answer", "expected"), [(False, DependencyDown), (True, psycopg.OperationalError)])
async def test_an_error_that_is_an_answer_goes_to_the_caller(
    postgres_url: str, schema: Schema, *, is_answer: bool, expected: type[Exception]
):
    async with Database(postgres_url, schema, LIMITS, WORDS, is_answer=lambda _: is_answer) as database:
        with pytest.raises(expected):
            async with database.connection(10):
                raise psycopg.OperationalError
