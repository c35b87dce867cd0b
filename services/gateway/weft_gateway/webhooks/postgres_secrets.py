"""The generations of webhook secrets, in PostgreSQL. The secrets themselves are not there: they are derived."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from weft_kit.stores.postgres import Connection, Database


@dataclass(frozen=True, slots=True)
class SecretVersion:
    """When a secret was created and, unless it is the newest, when it stops signing."""

    number: int
    create_time: datetime
    expire_time: datetime | None


# statement_timestamp(), not now(): a rotation may have waited for another one since its transaction began.
_CURRENT: Final = """
    SELECT tenant, generation, create_time, expire_time FROM webhook_secrets
    WHERE tenant = ANY(%s) AND (expire_time IS NULL OR expire_time > statement_timestamp())
    ORDER BY generation DESC
"""
_MAKE_FIRST: Final = """
    INSERT INTO webhook_secrets (tenant, generation) SELECT unnest(%s::text[]), 1 ON CONFLICT DO NOTHING
"""
_LOCK: Final = "SELECT pg_advisory_xact_lock(hashtextextended('webhook secrets of ' || %s, 0))"
# The newest starts to expire, and one that was already expiring ends: never more than two sign.
_EXPIRE: Final = """
    UPDATE webhook_secrets
    SET expire_time = statement_timestamp() + CASE WHEN expire_time IS NULL THEN %s ELSE interval '0' END
    WHERE tenant = %s AND (expire_time IS NULL OR expire_time > statement_timestamp())
"""
_MAKE_NEXT: Final = """
    INSERT INTO webhook_secrets (tenant, generation)
    SELECT %(tenant)s, COALESCE(max(generation), 0) + 1 FROM webhook_secrets WHERE tenant = %(tenant)s
"""
# A later tenant of the same name must not sign with what its predecessor knew: the count of generations stays.
_RETIRE: Final = """
    DELETE FROM webhook_secrets AS s
    WHERE tenant = %(tenant)s AND generation < (SELECT max(generation) FROM webhook_secrets WHERE tenant = %(tenant)s)
"""


class SecretStore:
    """Raises DependencyDown when PostgreSQL does not answer within `limit_s`."""

    def __init__(self, database: Database, *, limit_s: float = 2.0) -> None:
        self._database = database
        self._limit_s = limit_s

    async def current(self, tenants: Iterable[str]) -> dict[str, list[SecretVersion]]:
        """Returns the generations that sign now, the newest first; a tenant without any gets its first."""
        wanted = set(tenants)
        async with self._database.connection(self._limit_s) as connection:
            found = await _current(connection, wanted)
            if missing := list(wanted - found.keys()):
                await connection.execute(_MAKE_FIRST, (missing,))
                found |= await _current(connection, missing)
        return found

    async def rotate(self, tenant: str, overlap: timedelta) -> list[SecretVersion]:
        """Creates a new generation, and lets the previous one sign for `overlap` more. Returns those that sign now."""
        async with self._database.connection(self._limit_s) as connection, connection.transaction():
            # Rotations of a tenant run one after the other: in parallel, both would keep the other's new generation.
            await connection.execute(_LOCK, (tenant,))
            await connection.execute(_EXPIRE, (overlap, tenant))
            await connection.execute(_MAKE_NEXT, {"tenant": tenant})
            return (await _current(connection, (tenant,)))[tenant]

    async def retire(self, tenant: str) -> None:
        """Invalidates the secrets of a deleted tenant, and keeps only the number of the next generation."""
        async with self._database.connection(self._limit_s) as connection, connection.transaction():
            await connection.execute(_LOCK, (tenant,))
            if await _current(connection, (tenant,)):
                await connection.execute(_MAKE_NEXT, {"tenant": tenant})
                await connection.execute(_RETIRE, {"tenant": tenant})


async def _current(connection: Connection, tenants: Iterable[str]) -> dict[str, list[SecretVersion]]:
    found: dict[str, list[SecretVersion]] = defaultdict(list)
    for tenant, *generation in await (await connection.execute(_CURRENT, (list(tenants),))).fetchall():
        found[tenant].append(SecretVersion(*generation))
    return dict(found)
