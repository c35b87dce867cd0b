"""Uploads in PostgreSQL: documents staged for a job, until a day after its end."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, LiteralString

from psycopg.errors import UniqueViolation
from psycopg.types.json import Jsonb

from weft.common.v1 import error_pb2
from weft_kit.rpc.errors import AlreadyExists, InvalidFields, WeftError
from weft_kit.stores.postgres import Connection
from weft_retrieval.ingest_jobs.progress import FAILED
from weft_retrieval.storage.collections import hold_collection
from weft_retrieval.storage.postgres import TenantDatabase
from weft_retrieval.uploads import Upload

_READ_LIMIT_S = 5.0
_WRITE_LIMIT_S = 60.0
_KEPT = timedelta(days=1)
_SELECT: LiteralString = """
    SELECT id, upload_id, documents, content_bytes, coalesce(job_id, ''), request_hash, expire_time, collection_id
    FROM uploads WHERE tenant = %s
"""
_OPEN = """
    INSERT INTO uploads (tenant, upload_id, collection_id, keep_until) VALUES (%s, %s, %s, now() + %s)
    ON CONFLICT (tenant, upload_id) DO UPDATE SET keep_until = greatest(uploads.keep_until, excluded.keep_until)
    RETURNING id, upload_id, documents, content_bytes, coalesce(job_id, ''), request_hash, expire_time, collection_id
"""


@dataclass(frozen=True, slots=True)
class Arrival:
    """A document as it arrived, and why it will not be stored, if that is known already."""

    upload: Upload
    refusal: WeftError | None = None


@dataclass(frozen=True, slots=True)
class StagedUpload:
    """The state of an upload. `id` is ours, `upload_id` the client's."""

    id: int
    upload_id: str
    documents: int
    content_bytes: int
    job_id: str
    request_hash: str
    expire_time: datetime | None
    collection: int


@dataclass(frozen=True, slots=True)
class Start:
    """What begins a job with an upload. `request_hash` tells a repeat of the call from another one."""

    job_id: str
    upload_id: str
    collection: str
    request_hash: str
    expire_time: datetime


class Uploads:
    def __init__(self, database: TenantDatabase) -> None:
        self._database = database

    async def add(self, tenant: str, collection: str, upload_id: str, arrivals: Sequence[Arrival]) -> StagedUpload:
        """Adds documents to an upload, made when missing; raises AlreadyExists once a job has begun with it."""
        async with self._database.transaction(tenant, _WRITE_LIMIT_S) as connection:
            batch = await _open(connection, tenant, collection, upload_id)
            if batch.job_id:
                raise _taken(f"upload {upload_id!r} belongs to job {batch.job_id}; name another one")
            return await _fill(connection, tenant, batch, arrivals)

    async def begin(self, tenant: str, start: Start, arrivals: Sequence[Arrival]) -> StagedUpload:
        """Closes an upload, with its last documents, for a job. A repeat returns the result of the first call.

        Raises AlreadyExists when the job or the upload began with another call.
        """
        try:
            async with self._database.transaction(tenant, _WRITE_LIMIT_S) as connection:
                begun = await _of_job(connection, tenant, start.job_id)
                batch = begun or await _open(connection, tenant, start.collection, start.upload_id)
                if batch.job_id:
                    return _same(batch, start)
                batch = await _fill(connection, tenant, batch, arrivals)
                if not batch.documents:
                    raise InvalidFields({"documents": "must hold at least one, or upload_id name an upload with some"})
                return await _close(connection, batch, start)
        except UniqueViolation:
            raise _taken("the request id began a job with another upload a moment ago; use a new one") from None

    async def unsettled_bytes(self, tenant: str) -> int:
        """Returns the size of a tenant's uploads that are not over."""
        query = "SELECT coalesce(sum(content_bytes), 0)::bigint FROM uploads WHERE tenant = %s AND end_time IS NULL"
        async with self._database.transaction(tenant, _READ_LIMIT_S) as connection:
            (total,) = await (await connection.execute(query, (tenant,))).fetchone() or (0,)
            return int(total)

    async def of_job(self, tenant: str, job_id: str) -> StagedUpload | None:
        """Returns the upload of a job; None once it was deleted."""
        async with self._database.transaction(tenant, _READ_LIMIT_S) as connection:
            return await _of_job(connection, tenant, job_id)

    async def with_jobs(self, tenant: str, before: int, count: int) -> list[StagedUpload]:
        """Returns up to `count` uploads that have jobs, newest first, those made before one (0: from the newest)."""
        query = _SELECT + " AND job_id IS NOT NULL AND (%s = 0 OR id < %s) ORDER BY id DESC LIMIT %s"
        async with self._database.transaction(tenant, _READ_LIMIT_S) as connection:
            rows = await connection.execute(query, (tenant, before, before, count))
            return [StagedUpload(*row) for row in await rows.fetchall()]

    async def end(self, tenant: str, job_id: str) -> None:
        """Drops the contents that are left of a job's documents; their outcomes are kept for a day."""
        query = """
            UPDATE uploads SET end_time = now(), keep_until = now() + %s WHERE tenant = %s AND job_id = %s RETURNING id
        """
        async with self._database.transaction(tenant, _WRITE_LIMIT_S) as connection:
            for row in await (await connection.execute(query, (_KEPT, tenant, job_id))).fetchall():
                drop = "UPDATE staged_documents SET content = NULL WHERE upload = %s AND content IS NOT NULL"
                await connection.execute(drop, row)

    async def sweep(self) -> int:
        """Deletes all tenants' expired uploads, with what is staged in them; returns how many."""
        async with self._database.connection(_WRITE_LIMIT_S) as connection:
            return (await connection.execute("DELETE FROM retrieval.uploads WHERE keep_until < now()")).rowcount


async def _open(connection: Connection, tenant: str, name: str, upload_id: str) -> StagedUpload:
    """Finds or creates an upload, and locks it until the transaction ends."""
    collection = await hold_collection(connection, tenant, name)
    rows = await connection.execute(_OPEN, (tenant, upload_id, collection.id, _KEPT))
    (row,) = await rows.fetchall()
    batch = StagedUpload(*row)
    if batch.collection != collection.id:
        raise _taken(f"upload {upload_id!r} is for another collection than {name!r}; name another one")
    return batch


async def _of_job(connection: Connection, tenant: str, job_id: str) -> StagedUpload | None:
    row = await (await connection.execute(_SELECT + " AND job_id = %s", (tenant, job_id))).fetchone()
    return StagedUpload(*row) if row else None


async def _fill(connection: Connection, tenant: str, batch: StagedUpload, arrivals: Sequence[Arrival]) -> StagedUpload:
    """Adds documents, each in place of one of the same id, and brings the upload's size up to date."""
    await connection.cursor().executemany(
        """
        INSERT INTO staged_documents (upload, tenant, document_id, title, source_uri, content_type, metadata,
                                      content_bytes, content, outcome, reason, message, language)
        VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %b, %s, %s, %s, %s)
        ON CONFLICT (upload, document_id) DO UPDATE SET
            title = excluded.title, source_uri = excluded.source_uri, content_type = excluded.content_type,
            metadata = excluded.metadata, content_bytes = excluded.content_bytes, content = excluded.content,
            outcome = excluded.outcome, reason = excluded.reason, message = excluded.message,
            language = excluded.language
        """,
        [(batch.id, tenant, *_row(arrival)) for arrival in arrivals],
    )
    rows = await connection.execute(
        """
        UPDATE uploads u SET documents = s.documents, content_bytes = s.content_bytes
        FROM (SELECT count(*) AS documents, coalesce(sum(content_bytes), 0) AS content_bytes
              FROM staged_documents WHERE upload = %s) s
        WHERE u.id = %s RETURNING u.documents, u.content_bytes
        """,
        (batch.id, batch.id),
    )
    ((documents, content_bytes),) = await rows.fetchall()
    return replace(batch, documents=documents, content_bytes=content_bytes)


def _row(arrival: Arrival) -> tuple[Any, ...]:
    upload, refusal = arrival.upload, arrival.refusal
    if refusal:
        return upload.document_id, "", "", None, Jsonb({}), 0, None, FAILED, refusal.reason, refusal.message, ""
    return (
        upload.document_id, upload.title, upload.source_uri, upload.content_type, Jsonb(dict(upload.metadata)),
        len(upload.content), upload.content, "waiting", 0, "", upload.language,
    )  # fmt: skip


async def _close(connection: Connection, batch: StagedUpload, start: Start) -> StagedUpload:
    query = "UPDATE uploads SET job_id = %s, request_hash = %s, expire_time = %s, keep_until = %s WHERE id = %s"
    kept_until = start.expire_time + _KEPT
    await connection.execute(query, (start.job_id, start.request_hash, start.expire_time, kept_until, batch.id))
    return replace(batch, job_id=start.job_id, request_hash=start.request_hash, expire_time=start.expire_time)


def _same(batch: StagedUpload, start: Start) -> StagedUpload:
    if batch.request_hash != start.request_hash:
        raise _taken(f"job {batch.job_id} began with another request under this id; use a new one")
    return batch


def _taken(message: str) -> AlreadyExists:
    return AlreadyExists(error_pb2.ERROR_REASON_REQUEST_ID_REUSED, message)
