"""The audit log in PostgreSQL."""

from dataclasses import astuple, fields
from datetime import datetime
from typing import Final

from psycopg.rows import class_row

from weft_gateway.audit.events import AuditEvent
from weft_gateway.pages import Position
from weft_kit.stores.postgres import Database

_NAMES: Final = [field.name for field in fields(AuditEvent)]
_COLUMNS: Final = ", ".join(_NAMES)
_LATER: Final = ", ".join(f"{name} = EXCLUDED.{name}" for name in _NAMES if name != "event_id")

# ruff: noqa: S608  # put together from this file's own names
_KEEP: Final = f"""
    INSERT INTO audit_events ({_COLUMNS}) VALUES ({", ".join(["%s"] * len(_NAMES))})
    ON CONFLICT (event_id) DO UPDATE SET {_LATER}
""".encode()
_LIST: Final = f"""
    SELECT {_COLUMNS} FROM audit_events
    WHERE (%(tenant)s = '' OR tenant = %(tenant)s)
      AND (%(time)s::timestamptz IS NULL OR (time, event_id) < (%(time)s, %(event_id)s))
    ORDER BY time DESC, event_id DESC
    LIMIT %(limit)s
""".encode()
_DROP: Final = """
    DELETE FROM audit_events WHERE event_id IN (
        SELECT event_id FROM audit_events WHERE time < %s ORDER BY time, event_id LIMIT %s FOR UPDATE SKIP LOCKED
    )
"""


class AuditStore:
    """Raises DependencyDown when PostgreSQL does not answer within `limit_s`."""

    def __init__(self, database: Database, *, limit_s: float = 2.0) -> None:
        self._database = database
        self._limit_s = limit_s

    async def keep(self, event: AuditEvent) -> None:
        """Writes an event, replacing its earlier version."""
        async with self._database.connection(self._limit_s) as connection:
            await connection.execute(_KEEP, astuple(event))

    async def newest(self, tenant: str, before: Position | None, limit: int) -> list[AuditEvent]:
        """Returns events from newest to oldest, about one tenant or (empty) all, that come after `before` in that
        order.
        """
        time, event_id = before or (None, None)
        async with self._database.connection(self._limit_s) as connection:
            cursor = connection.cursor(row_factory=class_row(AuditEvent))
            await cursor.execute(_LIST, {"tenant": tenant, "time": time, "event_id": event_id, "limit": limit})
            return await cursor.fetchall()

    async def drop(self, before: datetime, limit: int) -> int:
        """Deletes the oldest events from before a time; returns how many."""
        async with self._database.connection(self._limit_s) as connection:
            return (await connection.execute(_DROP, (before, limit))).rowcount
