"""Dead letters in PostgreSQL, written in the transaction that records the rest of the job."""

from typing import Final

import psycopg

from weft_gateway.record.dead_letters import DeadLetter, is_poison
from weft_gateway.record.postgres_jobs import TYPES, write_rows
from weft_gateway.record.rows import COLUMNS, RecordRow
from weft_kit.stores.postgres import Connection, Database

# A repeat changes nothing, but for another event in the place of one that a lost log held. What was erased stays so: a
# job's row is locked by the statement before, or not there.
_ADD: Final = """
    INSERT INTO dead_letters AS old (job_id, sequence, kind, tenant, event, reason)
    SELECT %(job_id)s, %(sequence)s, %(kind)s,
        COALESCE(NULLIF(%(tenant)s::text, ''), (SELECT tenant FROM jobs WHERE job_id = %(job_id)s), ''),
        %(event)s, %(reason)s
    WHERE NOT EXISTS (SELECT FROM jobs WHERE job_id = %(job_id)s AND erase_time IS NOT NULL)
    ON CONFLICT (job_id, sequence) DO UPDATE SET
        kind = EXCLUDED.kind, tenant = EXCLUDED.tenant, event = EXCLUDED.event, reason = EXCLUDED.reason,
        create_time = EXCLUDED.create_time
    WHERE old.event <> EXCLUDED.event
"""


class DeadLetterStore:
    """Raises DependencyDown when PostgreSQL does not answer within `limit_s`."""

    def __init__(self, database: Database, *, limit_s: float = 30.0) -> None:
        self._database = database
        self._limit_s = limit_s

    async def add(self, letter: DeadLetter, row: RecordRow | None) -> bool:
        """Stores a dead letter, and records a row with it; returns whether the letter is new.

        Raises psycopg's error where the row is refused: nothing is kept then.
        """
        parameters = {name: getattr(letter, name) for name in ("job_id", "sequence", "kind", "tenant", "reason")}
        async with self._database.connection(self._limit_s) as connection, connection.transaction():
            if row is not None:
                await write_rows(connection, [row])
            kept = await connection.execute(_ADD, {**parameters, "event": letter.event})
            return bool(kept.rowcount)

    async def refused(self, row: RecordRow) -> list[str]:
        """Returns the columns of a row whose values PostgreSQL refuses."""
        told = [name for name in COLUMNS if getattr(row, name) is not None and TYPES.get(name) != "bytea"]
        async with self._database.connection(self._limit_s) as connection:
            return [name for name in told if await _refuses(connection, name, getattr(row, name))]


async def _refuses(connection: Connection, column: str, value: object) -> bool:
    try:
        await connection.execute(f"SELECT %b::{TYPES.get(column, 'text')}[]".encode(), ([value],))
    except psycopg.Error as error:
        if not is_poison(error):
            raise
        return True
    return False
