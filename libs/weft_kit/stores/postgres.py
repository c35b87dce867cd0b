"""PostgreSQL for a service: a pool that may start before the server does, and brings the schema up to date.

Migrations are numbered files, applied in one transaction under an advisory lock. yoyo-migrations would bring a second,
synchronous connection layer to replace thirty lines.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.resources.abc import Traversable
from types import TracebackType
from typing import Final, LiteralString, Self

import psycopg
import stamina
from psycopg import AsyncConnection, sql
from psycopg.rows import TupleRow
from psycopg_pool import AsyncConnectionPool

from weft_kit.mesh_id import DEFAULT_MESH_ID, OtherMesh
from weft_kit.outages import Outage
from weft_kit.rpc.context import remaining
from weft_kit.rpc.errors import DependencyDown
from weft_kit.stores.ownership import claim_database
from weft_kit.tasks import cancellations, ended, heed_cancellation

Connection = AsyncConnection[TupleRow]

_CHECK_LIMIT_S: Final = 2.0
_CONNECT_LIMIT_S: Final = 2
_LONGEST_PAUSE_S: Final = 1.0


@dataclass(frozen=True, kw_only=True)
class Schema:
    """The schema of one service, and the numbered files that create it."""

    name: LiteralString
    files: Traversable
    """The folder of the files; those ending in `.sql` are applied in the order of their names."""
    applied: LiteralString
    """The table with the names of the files applied so far."""
    lock: int
    """The advisory lock held while they are applied: any number that nothing else in the database locks."""
    setup: tuple[LiteralString, ...] = ()
    """Statements run before the files, at each start, in the same transaction."""


@dataclass(frozen=True, kw_only=True)
class PoolLimits:
    """The number of connections, and how long a query waits for one."""

    least: int
    most: int
    wait_s: float
    schema_wait_s: float | None = None
    """How long a query waits, at the start, until the schema is up to date; None: as long as the query may take."""


@dataclass(frozen=True, kw_only=True)
class OutageWords:
    """The texts for a server that does not answer: for callers, and for the log when it fails and works again."""

    advice: str
    failing: str = "postgresql does not answer"
    working: str = "postgresql answers again"


class Database:
    """Gives out connections while its context lasts. Entering does not wait for the server; queries do, to a limit."""

    def __init__(
        self,
        url: str,
        schema: Schema,
        limits: PoolLimits,
        words: OutageWords,
        *,
        mesh_id: str = DEFAULT_MESH_ID,
        configure: Callable[[Connection], Awaitable[None]] | None = None,
        is_answer: Callable[[psycopg.Error], bool] = lambda _: False,
    ) -> None:
        """`configure` prepares each connection; errors for which `is_answer` holds are raised as they are."""
        self._url = url
        self._schema = schema
        self._limits = limits
        self._words = words
        self._mesh_id = mesh_id
        self._is_answer = is_answer
        self._pool: AsyncConnectionPool[Connection] = AsyncConnectionPool(
            url,
            min_size=limits.least,
            max_size=limits.most,
            open=False,
            timeout=limits.wait_s,
            reconnect_timeout=0,
            kwargs={"autocommit": True, "connect_timeout": _CONNECT_LIMIT_S},
            configure=configure,
            check=AsyncConnectionPool.check_connection,
        )
        self._migrated = asyncio.Event()
        self._identity: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._migrating: asyncio.Task[None] | None = None
        self._outage = Outage(words.failing, words.working)

    async def __aenter__(self) -> Self:
        self._migrating = asyncio.create_task(self._open_when_it_answers())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._migrating:
            await ended(self._migrating)
        await self._pool.close()

    @asynccontextmanager
    async def connection(self, limit_s: float) -> AsyncIterator[Connection]:
        """Yields a connection in autocommit, for at most min(`limit_s`, the caller's remaining time).

        Raises:
            DependencyDown: PostgreSQL does not answer in time, or the connection breaks.
        """
        since = cancellations()
        try:
            async with asyncio.timeout(remaining(limit_s)):
                async with asyncio.timeout(self._limits.schema_wait_s):
                    await self._migrated.wait()
                async with self._pool.connection() as connection:
                    heed_cancellation(since)
                    self._outage.ended()
                    yield connection
        except (psycopg.OperationalError, psycopg.InterfaceError, OSError, TimeoutError) as error:
            if isinstance(error, psycopg.Error) and self._is_answer(error):
                raise
            heed_cancellation(since)
            self._outage.failed(error)
            raise DependencyDown("postgresql", self._words.advice) from error

    async def identity(self, within_s: float | None = None) -> str:
        """Returns the database's own id; "" if it does not answer in time. Raises OtherMesh if it has another owner."""
        done, _ = await asyncio.wait([self._identity], timeout=within_s)
        return self._identity.result() if done else ""

    async def check(self) -> None:
        """Raises DependencyDown while PostgreSQL does not answer."""
        async with self.connection(_CHECK_LIMIT_S):
            pass

    async def _open_when_it_answers(self) -> None:
        """Brings the schema up to date and claims the database as soon as the server answers, then lets queries in."""
        async for attempt in stamina.retry_context(
            psycopg.Error, attempts=None, timeout=None, wait_max=_LONGEST_PAUSE_S
        ):
            with attempt:
                try:
                    identity = await self._prepared()
                except OtherMesh as refusal:  # the pool stays shut: no mesh writes into another's database
                    self._identity.set_exception(refusal)
                    return
                except psycopg.Error as error:
                    self._outage.failed(error)
                    raise
        self._identity.set_result(identity)
        self._migrated.set()

    async def _prepared(self) -> str:
        # A connection of its own: the pool's are not open yet.
        async with await AsyncConnection.connect(
            self._url, autocommit=True, connect_timeout=_CONNECT_LIMIT_S
        ) as connection:
            await migrate(connection, self._schema)
            identity = await claim_database(connection, self._schema.name, self._mesh_id)
        # Only now: what `configure` needs may be part of the schema.
        await self._pool.open(wait=False)
        async with self._pool.connection():  # so that the first query finds one
            return identity


async def migrate(connection: Connection, schema: Schema) -> None:
    """Applies the numbered files that were not applied yet, in order, one replica at a time."""
    table = sql.Identifier(schema.applied)
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock(%s)", (schema.lock,))
        for statement in schema.setup:
            await connection.execute(statement)
        await connection.execute(sql.SQL("CREATE TABLE IF NOT EXISTS {} (name text PRIMARY KEY)").format(table))
        found = await connection.execute(sql.SQL("SELECT name FROM {}").format(table))
        applied = {name for (name,) in await found.fetchall()}
        files = (file for file in schema.files.iterdir() if file.name.endswith(".sql"))
        for file in sorted(files, key=lambda file: file.name):
            if file.name not in applied:
                await connection.execute(file.read_bytes())
                await connection.execute(sql.SQL("INSERT INTO {} VALUES (%s)").format(table), (file.name,))
