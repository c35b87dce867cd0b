"""API keys in PostgreSQL."""

from collections.abc import Collection, Mapping, Sequence
from typing import Final

from psycopg.rows import class_row

from weft.common.v1 import budget_pb2
from weft_gateway.auth.keys import Key
from weft_gateway.pages import Position
from weft_kit.stores.postgres import Database

_GIVEN: Final = "key_id, tenant, name, secret_hash, calls_per_minute, tokens_per_minute, micros_per_day"
_COLUMNS: Final = f"{_GIVEN}, create_time, revoke_time"

# ruff: noqa: S608  # put together from this file's own names
_CREATE: Final = f"""
    INSERT INTO gateway_keys ({_GIVEN}) VALUES (%s, %s, %s, %s, %s, %s, %s) RETURNING {_COLUMNS}
""".encode()
_FIND: Final = f"SELECT {_COLUMNS} FROM gateway_keys WHERE key_id = %s".encode()
_GOOD: Final = "SELECT key_id FROM gateway_keys WHERE key_id = ANY(%s) AND revoke_time IS NULL"
_REVOKE: Final = f"""
    UPDATE gateway_keys SET revoke_time = COALESCE(revoke_time, clock_timestamp())
    WHERE key_id = %s RETURNING {_COLUMNS}
""".encode()
_REVOKE_ALL: Final = """
    UPDATE gateway_keys SET revoke_time = clock_timestamp() WHERE tenant = %s AND revoke_time IS NULL RETURNING key_id
"""
_REVOKED_WITHIN: Final = """
    SELECT EXISTS (
        SELECT FROM gateway_keys
        WHERE tenant = %s AND (revoke_time IS NULL OR revoke_time > clock_timestamp() - %s * interval '1 second')
    )
"""
_DROP_ALL: Final = "DELETE FROM gateway_keys WHERE tenant = %s AND revoke_time IS NOT NULL"
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

    async def good(self, key_ids: Collection[str]) -> set[str]:
        """Returns those of the keys that exist and are not revoked."""
        async with self._database.connection(self._limit_s) as connection:
            found = await (await connection.execute(_GOOD, (list(key_ids),))).fetchall()
        return {key_id for (key_id,) in found}

    async def revoke(self, key_id: str) -> Key | None:
        """Returns the key, revoked now or before; None when there is none."""
        return next(iter(await self._keys(_REVOKE, (key_id,))), None)

    async def revoke_all(self, tenant: str) -> list[str]:
        """Revokes a tenant's keys; returns the ids of those that were valid until now."""
        async with self._database.connection(self._limit_s) as connection:
            return [key_id for (key_id,) in await (await connection.execute(_REVOKE_ALL, (tenant,))).fetchall()]

    async def revoked_within(self, tenant: str, seconds: float) -> bool:
        """Returns whether a key of a tenant is valid, or was in the last seconds."""
        async with self._database.connection(self._limit_s) as connection:
            (found,) = await (await connection.execute(_REVOKED_WITHIN, (tenant, seconds))).fetchone() or (False,)
        return bool(found)

    async def drop_all(self, tenant: str) -> None:
        """Deletes a tenant's revoked keys."""
        async with self._database.connection(self._limit_s) as connection:
            await connection.execute(_DROP_ALL, (tenant,))

    async def newest(self, tenant: str, before: Position | None, limit: int) -> list[Key]:
        """Returns keys from newest to oldest, of one tenant or (empty) of all, that come after `before` in that
        order.
        """
        time, key_id = before or (None, None)
        return await self._keys(_LIST, {"tenant": tenant, "time": time, "key_id": key_id, "limit": limit})

    async def _keys(self, query: bytes, parameters: Sequence[object] | Mapping[str, object]) -> list[Key]:
        async with self._database.connection(self._limit_s) as connection:
            cursor = connection.cursor(row_factory=class_row(Key))
            await cursor.execute(query, parameters)
            return await cursor.fetchall()
