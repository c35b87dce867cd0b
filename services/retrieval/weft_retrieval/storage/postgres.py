"""Retrieval's database, and the row-level security that every transaction runs under.

Every query names the tenant, which is the service's own protection. The server's is row-level security: a transaction
runs as a role that owns nothing and sees the rows of one tenant. Role and tenant are SET LOCAL with the transaction's
first statement, so a pooler that passes a session from one client to the next carries nothing over. A connection
without such a transaction sees which collections there are, and no content.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from importlib.resources import files
from typing import Any, Final, LiteralString

from pgvector.psycopg import register_vector_async
from psycopg import AsyncCursor, sql

from weft_kit.mesh_id import DEFAULT_MESH_ID
from weft_kit.stores.postgres import Connection, Database, OutageWords, PoolLimits, Schema

Query = LiteralString | sql.Composed
Rows = AsyncCursor[tuple[Any, ...]]

_NAME: Final = "retrieval"
_SEARCH_PATH: Final = f"{_NAME}, public"
SCHEMA: Final = Schema(
    name=_NAME,
    files=files("weft_retrieval.storage.migrations"),
    applied="migrations",
    lock=7_603_001,
    setup=(
        "CREATE EXTENSION IF NOT EXISTS vector SCHEMA public",
        f"CREATE SCHEMA IF NOT EXISTS {_NAME}",
        f"SELECT set_config('search_path', '{_SEARCH_PATH}', true)",
    ),
)
_WORDS: Final = OutageWords(advice="the document store does not answer in time; retry, and check that PostgreSQL runs")
_ROLE: Final = "weft_retrieval"
_READY_S: Final = 2.0


class TenantDatabase(Database):
    """A database whose transactions see one tenant's rows."""

    def __init__(self, url: str, *, connections: int, hnsw_ef_search: int, mesh_id: str = DEFAULT_MESH_ID) -> None:
        limits = PoolLimits(least=2, most=connections, wait_s=_READY_S, schema_wait_s=_READY_S)
        super().__init__(url, SCHEMA, limits, _WORDS, mesh_id=mesh_id, configure=register_vector_async)
        self._settings = {
            "role": _ROLE,
            "search_path": _SEARCH_PATH,
            "hnsw.ef_search": str(hnsw_ef_search),
            # Without it a filter would leave fewer rows than requested.
            "hnsw.iterative_scan": "relaxed_order",
            # Plans depend on how many rows a parameter selects, and compiling them costs more than running them.
            "plan_cache_mode": "force_custom_plan",
            "jit": "off",
        }

    @asynccontextmanager
    async def transaction(self, tenant: str, limit_s: float) -> AsyncIterator[Connection]:
        """Opens a transaction that sees one tenant's rows, for at most min(`limit_s`, the caller's remaining time).

        Commits on leaving, rolls back on an error; raises DependencyDown.
        """
        begin = sql.SQL("BEGIN; {}").format(_set({**self._settings, "weft.tenant": tenant}))
        async with self.connection(limit_s) as connection:
            await connection.execute(begin)
            yield connection

    async def rows(
        self, tenant: str, limit_s: float, query: Query, params: Mapping[str, object], **settings: str
    ) -> list[tuple[Any, ...]]:
        """Returns the result of one read query, in its own transaction, with a single round trip to the server.

        `settings` of PostgreSQL hold for it alone. Otherwise as `transaction`.
        """
        begin = _set({**self._settings, **settings, "weft.tenant": tenant})
        async with self.connection(limit_s) as connection, connection.pipeline():
            await connection.execute("BEGIN READ ONLY")
            await connection.execute(begin)
            answer = await connection.cursor(binary=True).execute(query, params)
            await connection.execute("COMMIT")
            return await answer.fetchall()


def _set(settings: Mapping[str, str]) -> sql.Composed:
    """Returns the statement that sets something until the transaction's end."""
    calls = (
        sql.SQL("set_config({}, {}, true)").format(sql.Literal(name), sql.Literal(value))
        for name, value in settings.items()
    )
    return sql.SQL("SELECT {}").format(sql.SQL(", ").join(calls))
