"""PostgreSQL: a pool that may start before the server does, the fence every transaction stands behind, and the schema.

The service's own fence is the tenant that every query names. The second one is the server's: a transaction runs as a
role that owns nothing, and row-level security shows it the rows of one tenant. Both are SET LOCAL with the
transaction's first statement, so that a pooler which hands a session from one client to the next carries nothing over.

Migrations are numbered files applied in one transaction under an advisory lock. yoyo-migrations would bring a second,
synchronous connection layer for the same thirty lines.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from importlib.resources import files
from types import TracebackType
from typing import Any, Final, LiteralString, Self

import psycopg
from pgvector.psycopg import register_vector_async
from psycopg import AsyncConnection, AsyncCursor, sql
from psycopg_pool import AsyncConnectionPool

from weft_kit.mesh_id import DEFAULT_MESH_ID, OtherMesh
from weft_kit.outages import Outage
from weft_kit.rpc.context import remaining
from weft_kit.rpc.errors import DependencyDown
from weft_kit.stores.ownership import claim_database
from weft_kit.tasks import cancellations, ended, heed_cancellation

Connection = AsyncConnection[tuple[Any, ...]]
Query = LiteralString | sql.Composed
Rows = AsyncCursor[tuple[Any, ...]]

_SCHEMA: Final = "retrieval"
# Any number, as long as nothing else in the database locks the same one.
_LOCK: Final = 7_603_001
_ROLE: Final = "weft_retrieval"
_READY_S: Final = 2.0
_PAUSE_S: Final = 1.0


class Database:
    """Connections while its context lasts. Entering does not wait for the server; the first queries do, shortly."""

    def __init__(self, url: str, *, connections: int, hnsw_ef_search: int, mesh_id: str = DEFAULT_MESH_ID) -> None:
        self._url = url
        self._mesh_id = mesh_id
        self._settings = {
            "role": _ROLE,
            "search_path": f"{_SCHEMA}, public",
            "hnsw.ef_search": str(hnsw_ef_search),
            # Without it a filter leaves fewer rows than were asked for.
            "hnsw.iterative_scan": "relaxed_order",
            # Plans depend on how many rows a parameter selects, and compiling them costs more than running them.
            "plan_cache_mode": "force_custom_plan",
            "jit": "off",
        }
        self._pool: AsyncConnectionPool[Connection] = AsyncConnectionPool(
            url,
            min_size=2,
            max_size=connections,
            open=False,
            timeout=_READY_S,
            reconnect_timeout=0,
            kwargs={"autocommit": True, "connect_timeout": 2},
            configure=register_vector_async,
            check=AsyncConnectionPool.check_connection,
        )
        self._ready = asyncio.Event()
        self._identity: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._starting: asyncio.Task[None] | None = None
        self._outage = Outage("postgresql does not answer", "postgresql answers again")

    async def __aenter__(self) -> Self:
        self._starting = asyncio.create_task(self._start())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._starting:
            await ended(self._starting)
        await self._pool.close()

    @asynccontextmanager
    async def transaction(self, tenant: str, limit_s: float) -> AsyncIterator[Connection]:
        """A transaction that sees one tenant's rows, for at most min(`limit_s`, what the caller has left).

        Commits on leaving, rolls back on an error; raises DependencyDown.
        """
        begin = sql.SQL("BEGIN; {}").format(_set({**self._settings, "weft.tenant": tenant}))
        async with self.upkeep(limit_s) as connection:
            await connection.execute(begin)
            yield connection

    async def rows(
        self, tenant: str, limit_s: float, query: Query, params: Mapping[str, object], **settings: str
    ) -> list[tuple[Any, ...]]:
        """Returns the answer to one query, which reads, in a transaction of its own: with a single trip to the server.

        `settings` of PostgreSQL hold for it alone. Otherwise as `transaction`.
        """
        begin = _set({**self._settings, **settings, "weft.tenant": tenant})
        async with self.upkeep(limit_s) as connection, connection.pipeline():
            await connection.execute("BEGIN READ ONLY")
            await connection.execute(begin)
            answer = await connection.cursor(binary=True).execute(query, params)
            await connection.execute("COMMIT")
            return await answer.fetchall()

    @asynccontextmanager
    async def upkeep(self, limit_s: float) -> AsyncIterator[Connection]:
        """A connection in autocommit that sees which collections there are and no content; raises DependencyDown."""
        since = cancellations()
        try:
            async with asyncio.timeout(remaining(limit_s)):
                async with asyncio.timeout(_READY_S):
                    await self._ready.wait()
                async with self._pool.connection() as connection:
                    heed_cancellation(since)
                    self._outage.ended()
                    yield connection
        except (psycopg.OperationalError, psycopg.InterfaceError, OSError, TimeoutError) as error:
            heed_cancellation(since)
            self._outage.failed(error)
            message = "the document store does not answer in time; retry, and check that PostgreSQL runs"
            raise DependencyDown("postgresql", message) from error

    async def identity(self, within_s: float | None = None) -> str:
        """Returns what the database calls itself; "" when it does not answer in time. Raises OtherMesh."""
        done, _ = await asyncio.wait([self._identity], timeout=within_s)
        return self._identity.result() if done else ""

    async def check(self) -> None:
        """Raises DependencyDown while PostgreSQL does not answer."""
        async with self.upkeep(_READY_S):
            pass

    async def _start(self) -> None:
        """Brings the schema up to date as soon as the server answers, then opens the pool."""
        while not self._ready.is_set():
            try:
                async with await AsyncConnection.connect(self._url, autocommit=True, connect_timeout=2) as connection:
                    await migrate(connection)
                    identity = await claim_database(connection, _SCHEMA, self._mesh_id)
                await self._pool.open(wait=False)
                self._identity.set_result(identity)
                self._ready.set()
            except OtherMesh as refusal:  # it stays shut: nothing of one mesh comes into another's database
                self._identity.set_exception(refusal)
                return
            except psycopg.Error as error:
                self._outage.failed(error)
                await asyncio.sleep(_PAUSE_S)


def _set(settings: Mapping[str, str]) -> sql.Composed:
    """Returns the statement that sets something until the transaction's end."""
    calls = (
        sql.SQL("set_config({}, {}, true)").format(sql.Literal(name), sql.Literal(value))
        for name, value in settings.items()
    )
    return sql.SQL("SELECT {}").format(sql.SQL(", ").join(calls))


async def migrate(connection: Connection) -> None:
    """Applies the numbered files not applied yet, in order, one replica at a time."""
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
        await connection.execute("CREATE EXTENSION IF NOT EXISTS vector SCHEMA public")
        await connection.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(sql.Identifier(_SCHEMA)))
        await connection.execute("SELECT set_config('search_path', %s, true)", (f"{_SCHEMA}, public",))
        await connection.execute("CREATE TABLE IF NOT EXISTS migrations (name text PRIMARY KEY)")
        applied = {name for (name,) in await (await connection.execute("SELECT name FROM migrations")).fetchall()}
        steps = (step for step in files("weft_retrieval.storage.migrations").iterdir() if step.name.endswith(".sql"))
        for step in sorted(steps, key=lambda step: step.name):
            if step.name not in applied:
                await connection.execute(step.read_bytes())
                await connection.execute("INSERT INTO migrations VALUES (%s)", (step.name,))
