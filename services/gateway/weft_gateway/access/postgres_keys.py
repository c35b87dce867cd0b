"""API keys in PostgreSQL."""

from collections.abc import Mapping, Sequence
from typing import Final

from psycopg.rows import class_row

from weft.common.v1 import budget_pb2
from weft_gateway.access.keys import Key
from weft_gateway.pages import Position
from weft_gateway.postgres import Database

_GIVEN: Final = "key_id, tenant, name, secret_hash, calls_per_minute, tokens_per_minute, micros_per_day"
_COLUMNS: Final = f"{_GIVEN}, create_time, revoke_time"

# ruff: noqa: S608  # put together from this file's own names
_CREATE: Final = f"""
    INSERT INTO gateway_keys ({_GIVEN}) VALUES (%s, %s, %s, %s, %s, %s, %s) RETURNING {_COLUMNS}
""".encode()
_FIND: Final = f"SELECT {_COLUMNS} FROM gateway_keys WHERE key_id = %s".encode()
_REVOKE: Final = f"""
    UPDATE gateway_keys SET revoke_time = COALESCE(revoke_time, clock_timestamp())
    WHERE key_id = %s RETURNING {_COLUMNS}
""".encode()
_LIST: Final = f"""
    SELECT {_COLUMNS} FROM gateway_keys
    WHERE (%(tenant)s = '' OR tenant = %(tenant)s)
      AND (%(time)s::timestamptz IS NULL OR (create_time, key_id) < (%(time)s, %(key_id)s))
    ORDER BY create_time DESC, key_id DESC
    LIMIT %(limit)s
""".encode()


class KeyStore:
    """Raises DependencyDown when PostgreSQL does not answer within `limit_s`."""

    def __init__(self, database: Database, *, limit_s: float = 2.0) -> None:
        self._database = database
        self._limit_s = limit_s

    async def create(
        self,
        key_id: str,
        tenant: str,
        name: str,
        secret_hash: bytes,
        calls_per_minute: int,
        budget: budget_pb2.Budget,
    ) -> Key:
        limits = (calls_per_minute, budget.tokens_per_minute, budget.micros_per_day)
        (key,) = await self._keys(_CREATE, (key_id, tenant, name, secret_hash, *limits))
        return key

    async def find(self, key_id: str) -> Key | None:
        return next(iter(await self._keys(_FIND, (key_id,))), None)

    async def revoke(self, key_id: str) -> Key | None:
        """The key, revoked now or before; None when there is none."""
        return next(iter(await self._keys(_REVOKE, (key_id,))), None)

    async def newest(self, tenant: str, before: Position | None, limit: int) -> list[Key]:
        """Keys from newest to oldest, of one tenant or (empty) of all, that come after `before` in that order."""
        time, key_id = before or (None, None)
        return await self._keys(_LIST, {"tenant": tenant, "time": time, "key_id": key_id, "limit": limit})

    async def _keys(self, query: bytes, parameters: Sequence[object] | Mapping[str, object]) -> list[Key]:
        async with self._database.connection(self._limit_s) as connection:
            cursor = connection.cursor(row_factory=class_row(Key))
            await cursor.execute(query, parameters)
            return await cursor.fetchall()
