"""PostgreSQL for the gateway: a pool that may start before the server does, and the schema it brings up to date."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import psycopg
import stamina
from psycopg import AsyncConnection
from psycopg.rows import TupleRow
from psycopg_pool import AsyncConnectionPool

from weft_kit.mesh_id import DEFAULT_MESH_ID, OtherMesh
from weft_kit.outages import Outage
from weft_kit.rpc.context import remaining
from weft_kit.rpc.errors import DependencyDown
from weft_kit.stores.ownership import claim_database
from weft_kit.tasks import cancellations, ended, heed_cancellation

Connection = AsyncConnection[TupleRow]

_MIGRATIONS: Final = Path(__file__).parent / "migrations"
# Any number, as long as nothing else in the database locks the same one.
_LOCK: Final = 7_600_001
_CHECK_LIMIT_S: Final = 2.0
# The class of SQLSTATE for what passes PostgreSQL's limits, whenever it comes. To psycopg it is an operational error.
_TOO_LARGE: Final = "54"
_ADVICE: Final = "the record store does not answer; retry, and check that PostgreSQL runs"


class Database:
    """Connections while its context lasts. Entering does not wait for the server; queries do, for their limit."""

    def __init__(self, url: str, *, connections: int = 8, mesh_id: str = DEFAULT_MESH_ID) -> None:
        self._mesh_id = mesh_id
        self._pool: AsyncConnectionPool[Connection] = AsyncConnectionPool(
            url,
            min_size=1,
            max_size=connections,
            open=False,
            timeout=1.0,
            reconnect_timeout=0,
            kwargs={"autocommit": True, "connect_timeout": 2},
            check=AsyncConnectionPool.check_connection,
        )
        self._migrated = asyncio.Event()
        self._identity: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._migrating: asyncio.Task[None] | None = None
        self._outage = Outage("postgres does not answer", "postgres answers again")

    async def __aenter__(self) -> Self:
        await self._pool.open(wait=False)
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
        """A connection in autocommit for at most min(`limit_s`, what the caller has left); raises DependencyDown."""
        since = cancellations()
        try:
            async with asyncio.timeout(remaining(limit_s)):
                await self._migrated.wait()
                async with self._pool.connection() as connection:
                    heed_cancellation(since)
                    self._outage.ended()
                    yield connection
        except (psycopg.OperationalError, psycopg.InterfaceError, OSError, TimeoutError) as error:
            if isinstance(error, psycopg.Error) and is_too_large(error):
                raise
            heed_cancellation(since)
            self._outage.failed(error)
            raise DependencyDown("postgresql", _ADVICE) from error

    async def identity(self, within_s: float | None = None) -> str:
        """Returns what the database calls itself; "" when it does not answer in time. Raises OtherMesh."""
        done, _ = await asyncio.wait([self._identity], timeout=within_s)
        return self._identity.result() if done else ""

    async def check(self) -> None:
        """Raises DependencyDown while PostgreSQL does not answer."""
        async with self.connection(_CHECK_LIMIT_S):
            pass

    async def _open_when_it_answers(self) -> None:
        """Brings the schema up to date and claims the database as soon as the server answers, then lets queries in."""
        async for attempt in stamina.retry_context(psycopg.OperationalError, attempts=None, timeout=None, wait_max=2.0):
            with attempt:
                try:
                    identity = await self._prepared()
                except OtherMesh as refusal:  # it stays shut: nothing of one mesh comes into another's database
                    self._identity.set_exception(refusal)
                    return
                # Not before the connection was given back, which may fail as well, and then all is done again.
                self._identity.set_result(identity)
        self._migrated.set()

    async def _prepared(self) -> str:
        async with self._pool.connection() as connection:
            await migrate(connection)
            return await claim_database(connection, "public", self._mesh_id)


def is_too_large(error: psycopg.Error) -> bool:
    """Says whether PostgreSQL answers, and refuses a statement for its size."""
    return (error.sqlstate or "").startswith(_TOO_LARGE)


async def migrate(connection: Connection) -> None:
    """Applies the numbered files not applied yet, in order, one replica at a time."""
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
        await connection.execute("CREATE TABLE IF NOT EXISTS gateway_migrations (name text PRIMARY KEY)")
        applied = {
            name for (name,) in await (await connection.execute("SELECT name FROM gateway_migrations")).fetchall()
        }
        for path in sorted(_MIGRATIONS.glob("*.sql")):
            if path.name not in applied:
                await connection.execute(path.read_bytes())
                await connection.execute("INSERT INTO gateway_migrations VALUES (%s)", (path.name,))
