"""An HNSW index for every collection that is large, and only for those.

One index over all tenants would search through everybody's windows and keep one's own: a small tenant would lose recall
to a large one. So each large collection has a partial index to itself, and in a small one every window is compared.
"""

import asyncio
from types import TracebackType
from typing import Self

import psycopg
import structlog
from psycopg import sql

from weft_kit.background import ended
from weft_kit.errors import DependencyDown
from weft_retrieval.postgres import Connection, Database
from weft_retrieval.records import Collection

_BUILD_LIMIT_S = 3600.0
_PAUSE_S = 5.0
# First half of the advisory locks; the collection's id is the second.
_LOCK = 7_603
_DUE = "SELECT id, dimensions FROM retrieval.collections WHERE NOT hnsw AND window_count > %s ORDER BY id"
_UNFINISHED = "SELECT EXISTS (SELECT FROM pg_index WHERE indexrelid = to_regclass(%s) AND NOT indisvalid)"
_CREATE = sql.SQL(
    """
    CREATE INDEX CONCURRENTLY IF NOT EXISTS {name} ON retrieval.windows
    USING hnsw ((embedding::halfvec({dimensions})) halfvec_cosine_ops) WITH (m = 16, ef_construction = 64)
    WHERE collection_id = {collection}
    """
)


class HnswIndexes:
    """Builds due indexes in the background while its context lasts, one at a time over all replicas."""

    def __init__(self, database: Database, *, exact_windows: int) -> None:
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
        """Takes note of a collection that changed."""
        if not collection.hnsw and collection.window_count > self._exact_windows:
            self._due.set()

    async def build_due(self) -> None:
        """Builds the index of every collection that is large and has none."""
        async with self._database.upkeep(_BUILD_LIMIT_S) as connection:
            rows = await connection.execute(_DUE, (self._exact_windows,))
            for collection, dimensions in await rows.fetchall():
                await self._build(connection, collection, dimensions)

    async def _run(self) -> None:
        while True:
            await self._due.wait()
            self._due.clear()
            try:
                await self.build_due()
            except (DependencyDown, psycopg.Error) as error:
                # Until it is built, every window is compared: slower, and right.
                self._log.warning("hnsw index not built", error=str(error), retry_in_s=_PAUSE_S)
                await asyncio.sleep(_PAUSE_S)
                self._due.set()

    async def _build(self, connection: Connection, collection: int, dimensions: int) -> None:
        lock = (_LOCK, collection)
        (mine,) = await (await connection.execute("SELECT pg_try_advisory_lock(%s, %s)", lock)).fetchone() or (False,)
        if not mine:
            return
        name = f"windows_hnsw_{collection}"
        try:
            # One that was interrupted stays behind, invalid, and would keep its name taken.
            (unfinished,) = await (await connection.execute(_UNFINISHED, (f"retrieval.{name}",))).fetchone() or (False,)
            if unfinished:
                await connection.execute(
                    sql.SQL("DROP INDEX CONCURRENTLY {}").format(sql.Identifier("retrieval", name))
                )
            self._log.info("building hnsw index", collection=collection)
            await connection.execute(
                _CREATE.format(name=sql.Identifier(name), dimensions=dimensions, collection=collection)
            )
            await connection.execute("UPDATE retrieval.collections SET hnsw = true WHERE id = %s", (collection,))
        finally:
            await connection.execute("SELECT pg_advisory_unlock(%s, %s)", lock)
