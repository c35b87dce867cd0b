"""Deletion from the record of jobs in PostgreSQL: contents and records past retention, and deleted jobs.

Statements take few rows at a time, found by an index. Retention passes over rows that somebody else holds.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import structlog
from google.protobuf.message import DecodeError
from psycopg.types.json import Jsonb

from weft.job.v1 import job_pb2
from weft_gateway.pages import Position
from weft_gateway.record.job_query import AUDIT_LABEL, AUDIT_OF
from weft_gateway.record.rows import COLUMNS, bare_done
from weft_kit.stores.postgres import Database

# ruff: noqa: S608  # put together from this file's own names

_OVER: Final = job_pb2.JOB_STATE_SUCCEEDED

# One step of an index per tenant, to its oldest job.
_OLDEST_WITH_CONTENTS: Final = f"""
    WITH RECURSIVE oldest AS (
        (SELECT tenant, accept_time FROM jobs WHERE erase_time IS NULL AND state >= {_OVER} AND tenant IS NOT NULL
         ORDER BY tenant, accept_time LIMIT 1)
        UNION ALL
        SELECT following.* FROM oldest CROSS JOIN LATERAL (
            SELECT tenant, accept_time FROM jobs
            WHERE erase_time IS NULL AND state >= {_OVER} AND tenant > oldest.tenant
            ORDER BY tenant, accept_time LIMIT 1
        ) AS following
    )
    SELECT tenant, accept_time FROM oldest
""".encode()
# The index jobs_newest_of_tenant, read from its end.
_OLDEST: Final = b"""
    WITH RECURSIVE oldest AS (
        (SELECT tenant, accept_time FROM jobs WHERE tenant IS NOT NULL
         ORDER BY tenant DESC, accept_time, job_id LIMIT 1)
        UNION ALL
        SELECT following.* FROM oldest CROSS JOIN LATERAL (
            SELECT tenant, accept_time FROM jobs WHERE tenant < oldest.tenant
            ORDER BY tenant DESC, accept_time, job_id LIMIT 1
        ) AS following
    )
    SELECT tenant, accept_time FROM oldest
"""

# A pending webhook needs the contents that it sends; it is pending for two days at most.
_DUE: Final = f"""
    SELECT job_id, done_brief FROM jobs AS j
    WHERE erase_time IS NULL AND state >= {_OVER} AND tenant = %(tenant)s AND accept_time < %(before)s
      AND NOT EXISTS (SELECT FROM webhook_deliveries AS d WHERE d.job_id = j.job_id AND d.next_time IS NOT NULL)
    ORDER BY accept_time, job_id LIMIT %(limit)s FOR UPDATE SKIP LOCKED
""".encode()
_STRIP: Final = """
    WITH bare AS (SELECT * FROM unnest(%(job_ids)s::text[], %(ends)s::bytea[]) AS bare (job_id, done)),
    silenced AS (DELETE FROM webhook_deliveries WHERE job_id = ANY(%(job_ids)s)),
    emptied AS (DELETE FROM dead_letters WHERE job_id = ANY(%(job_ids)s))
    UPDATE jobs SET accepted = NULL, started = NULL, done = NULL, webhook_url = NULL,
        done_brief = bare.done, erase_time = %(now)s
    FROM bare WHERE jobs.job_id = bare.job_id
"""
_DROP: Final = f"""
    WITH due AS MATERIALIZED (
        SELECT job_id FROM jobs WHERE tenant = %(tenant)s AND accept_time < %(before)s AND state >= {_OVER}
        ORDER BY accept_time, job_id LIMIT %(limit)s FOR UPDATE SKIP LOCKED
    ),
    emptied AS (DELETE FROM dead_letters WHERE job_id IN (SELECT job_id FROM due))
    DELETE FROM jobs WHERE job_id IN (SELECT job_id FROM due)
""".encode()
# Dead letters whose jobs are not recorded, or never end there. The recorded part of a job of an unknown tenant goes
# with them.
_DROP_LETTERS: Final = b"""
    WITH dropped AS (
        DELETE FROM dead_letters WHERE (job_id, sequence) IN (
            SELECT job_id, sequence FROM dead_letters
            WHERE tenant = %(tenant)s AND create_time < %(before)s
            ORDER BY create_time LIMIT %(limit)s FOR UPDATE SKIP LOCKED
        )
        RETURNING job_id
    ),
    orphaned AS (
        DELETE FROM jobs WHERE job_id IN (SELECT job_id FROM dropped) AND tenant IS NULL AND erase_time IS NULL
    )
    SELECT FROM dropped
"""
_OLDEST_LETTERS: Final = b"SELECT tenant, min(create_time) FROM dead_letters GROUP BY tenant"
_DROP_MARKS: Final = b"""
    DELETE FROM jobs WHERE job_id IN (
        SELECT job_id FROM jobs WHERE tenant IS NULL AND erase_time < %(before)s
        ORDER BY erase_time LIMIT %(limit)s FOR UPDATE SKIP LOCKED
    )
"""

# In one order, as the recorder locks them. Late events are told from those of a later job by their writers' clocks,
# which may be a little ahead of ours; a later job is ahead by the log's retention.
_MARK_DELETED: Final = f"""
    INSERT INTO jobs (job_id, state, erase_time)
    SELECT job_id, {job_pb2.JOB_STATE_UNSPECIFIED}, clock_timestamp() + interval '1 minute'
    FROM unnest(%(job_ids)s::text[]) AS job_id
    ORDER BY job_id
    ON CONFLICT (job_id) DO UPDATE SET
        state = EXCLUDED.state, erase_time = EXCLUDED.erase_time, {", ".join(f"{name} = NULL" for name in COLUMNS[2:])}
""".encode()
# A separate statement, which sees what was written before the jobs were locked.
_DROP_REST: Final = b"""
    WITH silenced AS (DELETE FROM webhook_deliveries WHERE job_id = ANY(%(job_ids)s))
    DELETE FROM dead_letters WHERE job_id = ANY(%(job_ids)s)
"""
_DROP_LETTERS_OF_TENANT: Final = b"DELETE FROM dead_letters WHERE tenant = %(tenant)s"
_OF_TENANT: Final = """
    SELECT accept_time, job_id FROM jobs
    WHERE tenant = %(tenant)s AND (%(time)s::timestamptz IS NULL OR (accept_time, job_id) < (%(time)s, %(job_id)s))
    ORDER BY accept_time DESC, job_id DESC LIMIT %(limit)s
"""
_SECOND_ASKINGS: Final = "SELECT job_id FROM jobs WHERE tenant = %s AND labels @> %s"


@dataclass(frozen=True, slots=True)
class Oldest:
    """A tenant, and the time of its oldest item: when a job was accepted, or a dead letter set aside."""

    tenant: str
    time: datetime


class ErasureStore:
    """Raises DependencyDown when PostgreSQL does not answer within `limit_s`."""

    def __init__(self, database: Database, *, limit_s: float = 10.0) -> None:
        self._database = database
        self._limit_s = limit_s

    async def oldest_with_contents(self) -> list[Oldest]:
        """Returns the tenants with finished jobs whose contents are kept, with the time of the oldest of these."""
        return await self._oldest(_OLDEST_WITH_CONTENTS)

    async def oldest(self) -> list[Oldest]:
        """Returns the tenants that have jobs, with the oldest of each."""
        return await self._oldest(_OLDEST)

    async def drop_contents(self, tenant: str, before: datetime, limit: int) -> int:
        """Deletes contents and webhooks of some jobs accepted before a time; returns the number of jobs."""
        parameters = {"tenant": tenant, "before": before, "limit": limit}
        now = datetime.now(UTC)
        async with self._database.connection(self._limit_s) as connection, connection.transaction():
            found = await (await connection.execute(_DUE, parameters)).fetchall()
            job_ids, ends = [job_id for job_id, _ in found], [_bare(job_id, done, now) for job_id, done in found]
            await connection.execute(_STRIP, {"job_ids": job_ids, "ends": ends, "now": now})
        return len(found)

    async def drop_records(self, tenant: str, before: datetime, limit: int) -> int:
        """Deletes some jobs accepted before a time, with everything that belongs to them; returns how many."""
        return await self._run(_DROP, {"tenant": tenant, "before": before, "limit": limit})

    async def drop_marks(self, before: datetime, limit: int) -> int:
        """Deletes some markers of jobs that were deleted before a time; returns how many."""
        return await self._run(_DROP_MARKS, {"before": before, "limit": limit})

    async def oldest_letters(self) -> list[Oldest]:
        """Returns the tenants that have dead letters, each with the time of its oldest; "" stands for unknown
        tenants.
        """
        return await self._oldest(_OLDEST_LETTERS)

    async def drop_letters(self, tenant: str, before: datetime, limit: int) -> int:
        """Deletes some dead letters that were set aside before a time; returns how many."""
        return await self._run(_DROP_LETTERS, {"tenant": tenant, "before": before, "limit": limit})

    async def drop_letters_of(self, tenant: str) -> None:
        """Deletes all dead letters that are known to belong to a tenant."""
        await self._run(_DROP_LETTERS_OF_TENANT, {"tenant": tenant})

    async def delete(self, job_ids: Sequence[str]) -> None:
        """Deletes jobs with webhooks and dead letters, recorded or not yet; later events of them are ignored."""
        parameters = {"job_ids": list(job_ids)}
        async with self._database.connection(self._limit_s) as connection, connection.transaction():
            await connection.execute(_MARK_DELETED, parameters)
            await connection.execute(_DROP_REST, parameters)

    async def of_tenant(self, tenant: str, after: Position | None, limit: int) -> list[Position]:
        """Returns a tenant's jobs after a position, the newest first."""
        time, job_id = after or (None, None)
        parameters = {"tenant": tenant, "time": time, "job_id": job_id, "limit": limit}
        async with self._database.connection(self._limit_s) as connection:
            return await (await connection.execute(_OF_TENANT, parameters)).fetchall()

    async def second_askings(self, tenant: str, job_id: str) -> list[str]:
        """Returns the jobs that repeated this one to audit the cache."""
        parameters = (tenant, Jsonb({AUDIT_LABEL: "true", AUDIT_OF: job_id}))
        async with self._database.connection(self._limit_s) as connection:
            return [found for (found,) in await (await connection.execute(_SECOND_ASKINGS, parameters)).fetchall()]

    async def _oldest(self, query: bytes) -> list[Oldest]:
        async with self._database.connection(self._limit_s) as connection:
            return [Oldest(*row) for row in await (await connection.execute(query)).fetchall()]

    async def _run(self, query: bytes, parameters: dict[str, object]) -> int:
        async with self._database.connection(self._limit_s) as connection:
            return (await connection.execute(query, parameters)).rowcount


def _bare(job_id: str, done: bytes, now: datetime) -> bytes | None:
    """Returns what is kept of a job's end. A damaged event goes too: it must not block the contents of those after
    it.
    """
    try:
        return bare_done(done, now)
    except DecodeError:
        structlog.get_logger().exception("a job's end cannot be read", job_id=job_id)
        return None
