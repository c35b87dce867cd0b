"""An HNSW index for every collection that is large, and only for those.

One index over all tenants would search everyone's windows and then keep one tenant's: a small tenant would lose recall
to a large one. So each large collection has its own partial index, and in a small one every window is compared.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from types import TracebackType
from typing import Self

import psycopg
import structlog
from psycopg import sql

from weft_kit.outages import Outage
from weft_kit.rpc.errors import DependencyDown
from weft_kit.stores.postgres import Connection
from weft_kit.tasks import ended
from weft_retrieval.records import Collection
from weft_retrieval.storage.postgres import TenantDatabase

_BUILD_LIMIT_S = 3600.0
_PAUSE_S = 5.0
# First half of the advisory locks; the collection's id is the second.
_LOCK = 7_603
_DUE = "SELECT id, dimensions FROM retrieval.collections WHERE NOT hnsw AND window_count > %s ORDER BY id"
_ORPHANED = """
    SELECT i.id FROM pg_indexes, LATERAL (SELECT substring(indexname FROM '^windows_hnsw_([0-9]+)$')::int) i (id)
    WHERE schemaname = 'retrieval' AND i.id IS NOT NULL AND i.id NOT IN (SELECT id FROM retrieval.collections)
"""
_UNFINISHED = "SELECT EXISTS (SELECT FROM pg_index WHERE indexrelid = to_regclass(%s) AND NOT indisvalid)"
# Links per window: every window added rearranges those of its neighbours, so a write takes longer with their square.
_LINKS = 12
# How far to look for neighbours. Building is quick, and good links stay good; of a window added later a writer waits.
_BUILDING_REACH = 200
_ADDING_REACH = 64
_CREATE = sql.SQL(
    """
    CREATE INDEX CONCURRENTLY IF NOT EXISTS {name} ON retrieval.windows
    USING hnsw ((embedding::halfvec({dimensions})) halfvec_cosine_ops) WITH (m = {links}, ef_construction = {reach})
    WHERE collection_id = {collection}
    """
)
_SPARE_WRITERS = sql.SQL("ALTER INDEX retrieval.{name} SET (ef_construction = {reach})")
# Searches and writes queue behind a pending lock, so the attempt is soon given up, and repeated.
_LOCK_TIMEOUT = "SET LOCAL lock_timeout = '100ms'"
_LOCK_ATTEMPTS = 100
_LOCK_PAUSE_S = 0.5


class HnswIndexes:
    """Builds due indexes in the background while its context lasts, one at a time over all replicas."""

    def __init__(self, database: TenantDatabase, *, exact_windows: int) -> None:
        self._database = database
        self._exact_windows = exact_windows
        self._due = asyncio.Event()
        self._building: asyncio.Task[None] | None = None
        self._log = structlog.get_logger()

    async def __aenter__(self) -> Self:
        # A replica may have stopped before it built what was due.
        self._due.set()
        self._building = asyncio.create_task(self._run())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._building:
            await ended(self._building)

    def consider(self, collection: Collection) -> None:
        """Notes a collection that changed."""
        if collection.lacks_index(self._exact_windows):
            self._due.set()

    def consider_deleted(self) -> None:
        """Notes that a collection was deleted: its index is no longer needed."""
        self._due.set()

    async def build_due(self) -> None:
        """Builds the index of every collection that is large and has none, and drops those of deleted ones.

        One that fails does not stop the others; its error is raised once all were tried.
        """
        failures: list[psycopg.Error] = []
        async with self._database.connection(_BUILD_LIMIT_S) as connection:
            for (collection,) in await (await connection.execute(_ORPHANED)).fetchall():
                with _alone(connection, failures):
                    await self._drop(connection, collection)
            rows = await connection.execute(_DUE, (self._exact_windows,))
            for collection, dimensions in await rows.fetchall():
                with _alone(connection, failures):
                    await self._build(connection, collection, dimensions)
        if failures:
            raise failures[0]

    async def _run(self) -> None:
        trouble = Outage("hnsw index not built", "hnsw indexes can be built again")
        while True:
            await self._due.wait()
            self._due.clear()
            try:
                await self.build_due()
                trouble.ended()
            except (DependencyDown, psycopg.Error) as error:
                # Until it is built, every window is compared: slower, and right (see search/exact_search.py).
                trouble.failed(error)
                await asyncio.sleep(_PAUSE_S)
                self._due.set()

    async def _build(self, connection: Connection, collection: int, dimensions: int) -> None:
        async with _alone_with(connection, collection) as mine:
            if mine:
                await self._build_alone(connection, collection, dimensions)

    async def _build_alone(self, connection: Connection, collection: int, dimensions: int) -> None:
        name = sql.Identifier(f"windows_hnsw_{collection}")
        # An interrupted build leaves an invalid index behind, which would keep its name taken.
        found = await connection.execute(_UNFINISHED, (f"retrieval.windows_hnsw_{collection}",))
        (unfinished,) = await found.fetchone() or (False,)
        if unfinished:
            await connection.execute(sql.SQL("DROP INDEX CONCURRENTLY retrieval.{}").format(name))
        self._log.info("building hnsw index; until then its searches are slow", collection=collection)
        began = asyncio.get_running_loop().time()
        settings = {"links": _LINKS, "reach": _BUILDING_REACH, "dimensions": dimensions, "collection": collection}
        await connection.execute(_CREATE.format(name=name, **settings))
        await self._spare_writers(connection, name)
        await connection.execute("UPDATE retrieval.collections SET hnsw = true WHERE id = %s", (collection,))
        seconds = round(asyncio.get_running_loop().time() - began, 1)
        self._log.info("hnsw index built", collection=collection, seconds=seconds)

    async def _drop(self, connection: Connection, collection: int) -> None:
        """Drops an index, unless another replica is building or dropping it."""
        async with _alone_with(connection, collection) as mine:
            if mine:
                name = sql.Identifier(f"windows_hnsw_{collection}")
                await connection.execute(sql.SQL("DROP INDEX CONCURRENTLY IF EXISTS retrieval.{}").format(name))

    async def _spare_writers(self, connection: Connection, name: sql.Identifier) -> None:
        """Makes additions cheaper than the build was."""
        for _ in range(_LOCK_ATTEMPTS):
            try:
                async with connection.transaction():
                    await connection.execute(_LOCK_TIMEOUT)
                    await connection.execute(_SPARE_WRITERS.format(name=name, reach=_ADDING_REACH))
            except psycopg.errors.LockNotAvailable:
                await asyncio.sleep(_LOCK_PAUSE_S)
            else:
                return
        self._log.warning("an hnsw index stays slow to write: somebody holds it all the time", index=name.as_string())


@contextmanager
def _alone(connection: Connection, failures: list[psycopg.Error]) -> Iterator[None]:
    """Keeps an error of PostgreSQL from ending the round, as long as it answers."""
    try:
        yield
    except psycopg.Error as error:
        if connection.closed:
            raise
        failures.append(error)


@asynccontextmanager
async def _alone_with(connection: Connection, collection: int) -> AsyncIterator[bool]:
    """Locks the index of a collection against other replicas; yields False if one of them has it."""
    lock = (_LOCK, collection)
    (mine,) = await (await connection.execute("SELECT pg_try_advisory_lock(%s, %s)", lock)).fetchone() or (False,)
    try:
        yield bool(mine)
    finally:
        if mine:
            await connection.execute("SELECT pg_advisory_unlock(%s, %s)", lock)
