"""The record of jobs in PostgreSQL."""

from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import UTC, datetime
from operator import attrgetter
from typing import Final, Literal

import structlog
from google.protobuf.message import DecodeError
from psycopg.types.json import Jsonb

from weft.job.v1 import event_pb2, job_pb2
from weft_gateway.pages import Position
from weft_gateway.record.job_query import AUDIT_LABEL, JobQuery
from weft_gateway.record.rows import COLUMNS, RecordRow
from weft_kit.stores.postgres import Connection, Database

# An array travels as one value, and PostgreSQL's end at 1 GB.
_STATEMENT_BYTES: Final = 32 * 1024 * 1024

_PAGE: Final = 100

_values: Final = attrgetter(*COLUMNS)

TYPES: Final = {
    "state": "smallint", "priority": "smallint", "labels": "jsonb", "expire_time": "timestamptz",
    "accept_time": "timestamptz", "end_time": "timestamptz", "cache_tier": "smallint",
    "error_reason": "smallint", "prompt_tokens": "bigint", "completion_tokens": "bigint",
    "cached_prompt_tokens": "bigint", "reasoning_tokens": "bigint", "accepted": "bytea", "accepted_brief": "bytea",
    "started": "bytea", "done": "bytea", "done_brief": "bytea",
}  # fmt: skip

# Every column is told by one event, so whichever comes first the row ends up the same. A webhook is due once both its
# address and the end are known. What was erased stays so, but for a job that came later under the same request id.
_SAVE: Final = f"""
    WITH saved AS (
        INSERT INTO jobs ({", ".join(COLUMNS)})
        SELECT * FROM unnest({", ".join(f"%b::{TYPES.get(name, 'text')}[]" for name in COLUMNS)})
        ON CONFLICT (job_id) DO UPDATE SET state = GREATEST(jobs.state, EXCLUDED.state),
            {", ".join(f"{name} = COALESCE(jobs.{name}, EXCLUDED.{name})" for name in COLUMNS[2:])},
            erase_time = NULL
        WHERE jobs.erase_time IS NULL
           OR (jobs.tenant IS NULL AND GREATEST(EXCLUDED.accept_time, EXCLUDED.end_time) > jobs.erase_time)
        RETURNING job_id, tenant, webhook_url, state
    )
    INSERT INTO webhook_deliveries (job_id, tenant)
    SELECT job_id, tenant FROM saved WHERE webhook_url IS NOT NULL AND state >= {job_pb2.JOB_STATE_SUCCEEDED}
    ON CONFLICT DO NOTHING
""".encode()  # noqa: S608  # built from this file's own names

_FIND: Final = """
    SELECT COALESCE(accepted, accepted_brief), started, COALESCE(done, done_brief) FROM jobs
    WHERE job_id = %s AND tenant = %s
"""

_LIST: Final = """
    SELECT job_id, accept_time, accepted_brief, started, done_brief FROM jobs WHERE {conditions}
    ORDER BY accept_time DESC, job_id DESC
    LIMIT %(limit)s
"""
# Only the filters in use become part of the statement, so that the planner can see them.
_CONDITIONS: Final = {
    "tenant": "tenant = %(tenant)s",
    "states": "state = ANY(%(states)s)",
    "models": "model = ANY(%(models)s)",
    "priorities": "priority = ANY(%(priorities)s)",
    "labels": "labels @> %(labels)s",
    "unlike": "(labels IS NULL OR NOT labels ? %(unlike)s)",
    "job_ids": "job_id = ANY(%(job_ids)s)",
    "accepted_after": "accept_time >= %(accepted_after)s",
    "accepted_before": "accept_time < %(accepted_before)s",
    "last_time": "(accept_time, job_id) < (%(last_time)s, %(last_id)s)",
}

_UNFINISHED: Final = f"""
    SELECT expire_time, job_id, accepted, started FROM jobs
    WHERE state < {job_pb2.JOB_STATE_SUCCEEDED} AND {{since}} < %(before)s
      AND (expire_time, job_id) > (%(last_time)s, %(last_id)s)
    ORDER BY expire_time, job_id
    LIMIT %(limit)s
"""  # noqa: S608  # a constant, as in the partial index's condition


class RecordStore:
    """Raises DependencyDown when PostgreSQL does not answer: reads within `limit_s`, writes within `save_limit_s`."""

    def __init__(self, database: Database, *, limit_s: float = 2.0, save_limit_s: float = 30.0) -> None:
        self._database = database
        self._limit_s = limit_s
        self._save_limit_s = save_limit_s

    async def save(self, rows: Sequence[RecordRow]) -> None:
        """Merges rows into the record; a repeat changes nothing.

        Raises psycopg's error where PostgreSQL refuses a row. Some of the others may be saved then.
        """
        for some in _statements(rows):
            async with self._database.connection(self._save_limit_s) as connection:
                await write_rows(connection, some)

    async def find(self, tenant: str, job_id: str) -> list[event_pb2.JobEvent]:
        """Returns a job's lasting events in order, empty when this tenant has no such job.

        Brief events lack its contents.
        """
        async with self._database.connection(self._limit_s) as connection:
            row = await (await connection.execute(_FIND, (job_id, tenant))).fetchone()
        return _events(row or ())

    async def expired(self, before: datetime) -> AsyncIterator[tuple[str, event_pb2.Accepted]]:
        """Returns jobs that expired before a time and are not known to have ended, with their envelopes; the oldest
        first.
        """
        async for job_id, events in self._unfinished("expire_time", before):
            yield job_id, events[0].accepted

    async def accepted(self, before: datetime) -> AsyncIterator[tuple[str, list[event_pb2.JobEvent]]]:
        """Returns jobs that were accepted before a time and are not known to have ended, with their lasting events."""
        async for job in self._unfinished("accept_time", before):
            yield job

    async def _unfinished(
        self, since: Literal["expire_time", "accept_time"], before: datetime
    ) -> AsyncIterator[tuple[str, list[event_pb2.JobEvent]]]:
        statement = _UNFINISHED.format(since=since).encode()
        last_time, last_id = datetime.min.replace(tzinfo=UTC), ""
        while True:
            parameters = {"before": before, "last_time": last_time, "last_id": last_id, "limit": _PAGE}
            async with self._database.connection(self._save_limit_s) as connection:
                found = await (await connection.execute(statement, parameters)).fetchall()
            for last_time, last_id, *columns in found:  # noqa: B007  # where the next page begins
                if events := _readable(last_id, columns):
                    yield last_id, events
            if len(found) < _PAGE:
                return

    async def page(self, query: JobQuery) -> tuple[list[list[event_pb2.JobEvent]], Position | None]:
        """Returns the jobs of a page, each as its lasting events without prompt and answer.

        The second value says where the next page begins.
        """
        parameters = _parameters(query)
        conditions = " AND ".join(text for name, text in _CONDITIONS.items() if parameters[name])
        statement = _LIST.format(conditions=conditions).encode()
        async with self._database.connection(self._limit_s) as connection:
            found = await (await connection.execute(statement, parameters)).fetchall()
        page = found[: query.size]
        more = len(found) > query.size
        jobs = [events for job_id, _, *columns in page if (events := _readable(job_id, columns))]
        return jobs, _position(page[-1]) if more else None


async def write_rows(connection: Connection, rows: Sequence[RecordRow]) -> None:
    """Writes rows: all of them or, if one is refused, none."""
    await connection.execute(_SAVE, [list(column) for column in zip(*map(_values, rows), strict=True)])


def _parameters(query: JobQuery) -> dict[str, object]:
    last_time, last_id = query.before or (None, None)
    return {
        "tenant": query.tenant,
        "states": list(query.states),
        "models": list(query.models),
        "priorities": list(query.priorities),
        "labels": Jsonb(dict(query.labels)) if query.labels else None,
        "unlike": None if query.wants_audits else AUDIT_LABEL,
        "job_ids": list(query.job_ids),
        "accepted_after": query.accepted_after,
        "accepted_before": query.accepted_before,
        "last_time": last_time,
        "last_id": last_id,
        "limit": query.size + 1,
    }


def _position(row: tuple[object, ...]) -> Position:
    job_id, accept_time = row[:2]
    assert isinstance(accept_time, datetime)  # noqa: S101  # rows of a tenant have one
    return accept_time, str(job_id)


def _events(columns: Sequence[object]) -> list[event_pb2.JobEvent]:
    return [event_pb2.JobEvent.FromString(column) for column in columns if isinstance(column, bytes)]


def _readable(job_id: str, columns: Sequence[object]) -> list[event_pb2.JobEvent]:
    """Returns the events of one job in a list; none if they are damaged, so that the other jobs are not affected."""
    try:
        return _events(columns)
    except DecodeError:
        structlog.get_logger().exception("a job's record cannot be read", job_id=job_id)
        return []


def _statements(rows: Sequence[RecordRow]) -> Iterator[list[RecordRow]]:
    some: list[RecordRow] = []
    size = 0
    for row in rows:
        some.append(row)
        size += len(row.accepted or b"") + len(row.done or b"")
        if size >= _STATEMENT_BYTES:
            yield some
            some, size = [], 0
    if some:
        yield some
