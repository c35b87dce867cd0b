"""What can be done with ingest jobs: stage documents, begin, read, list, watch, cancel."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog
from google.protobuf.message import DecodeError

from weft.common.v1 import error_pb2
from weft.job.v1 import event_pb2, ingest_pb2
from weft.retrieval.v1 import retrieval_pb2 as pb
from weft_kit.joblog import AlreadyAccepted, JobGone, belongs_to, envelope_of, new_job_id
from weft_kit.logging import note
from weft_kit.rpc.context import CallContext, remaining
from weft_kit.rpc.errors import (
    AlreadyExists,
    DependencyDown,
    Exhausted,
    InvalidFields,
    NotFound,
)
from weft_retrieval.ingest.ingest import Ingestor
from weft_retrieval.ingest_jobs.log_connection import LogLink
from weft_retrieval.ingest_jobs.postgres_staging import Staging
from weft_retrieval.ingest_jobs.postgres_uploads import StagedUpload, Start, Uploads
from weft_retrieval.ingest_jobs.projection import record
from weft_retrieval.ingest_jobs.requests import IngestOrder, arrivals, check_upload_id
from weft_retrieval.storage.postgres import TenantDatabase
from weft_retrieval.uploads import Upload

_LONGEST_MESSAGE = 256
_LONGEST_WAIT_S = 60.0
# The part of the caller's time that is reserved for the answer's way back.
_ANSWER_S = 0.25
_ROOM_RETRY_S = 30.0


@dataclass(frozen=True, slots=True)
class IngestLimits:
    """The limits of a tenant."""

    staged_bytes: int
    jobs_at_once: int
    timeout_s: float


class IngestJobStore:
    """Operations on ingest jobs. Beginning one needs PostgreSQL and the log, reading one only the log."""

    def __init__(
        self, link: LogLink, database: TenantDatabase, uploads: Uploads, ingestor: Ingestor, limits: IngestLimits
    ) -> None:
        self._link = link
        self._database = database
        self._uploads = uploads
        self._ingestor = ingestor
        self._limits = limits

    async def stage(self, tenant: str, collection: str, upload_id: str, uploads: Sequence[Upload]) -> StagedUpload:
        """Keeps documents for a job that is begun later."""
        check_upload_id(upload_id)
        arrived = await arrivals(uploads, self._ingestor)
        await self._check_room(tenant, uploads)
        return await self._uploads.add(tenant, collection, upload_id, arrived)

    async def begin(self, caller: CallContext, order: IngestOrder) -> pb.IngestJob:
        """Makes a job durable, or finds the one that this request, or this upload, began before."""
        order.check()
        log = await self._link.log()
        arrived = await arrivals(order.uploads, self._ingestor)
        await self._check_room(caller.tenant, order.uploads)
        job_id = new_job_id(caller.tenant, order.priority, order.request_id)
        # Clients cannot name an upload like this one.
        upload_id = order.upload_id or f"~{job_id.partition('-')[2]}"
        expire_time = datetime.now(UTC) + timedelta(seconds=order.timeout_s or self._limits.timeout_s)
        start = Start(job_id, upload_id, order.collection, order.request_hash, expire_time)
        batch = await self._uploads.begin(caller.tenant, start, arrived)
        note(job_id=batch.job_id, documents=batch.documents)
        try:
            event = await log.accept(batch.job_id, _envelope(caller, order, batch), self._limits.jobs_at_once)
        except AlreadyAccepted as already:
            _check_same(already.first, order)
            return await self.get(caller.tenant, batch.job_id)
        return record(event, event)

    async def get(self, tenant: str, job_id: str, wait_s: float = 0.0) -> pb.IngestJob:
        """Returns the job as it is: at once, or when it ends, or at the latest after `wait_s` (0-60)."""
        if not 0 <= wait_s <= _LONGEST_WAIT_S:
            raise InvalidFields({"wait": f"must be 0-{_LONGEST_WAIT_S:g} s, is {wait_s:g} s"})
        job = await self._read(tenant, job_id)
        if wait_s and not job.HasField("end_time"):
            await self._wait(job, remaining(wait_s + _ANSWER_S) - _ANSWER_S)
            job = await self._read(tenant, job_id)
        return job

    async def page(self, tenant: str, before: int, count: int) -> tuple[list[pb.IngestJob], int]:
        """Returns up to `count` jobs, newest first, and where the next page begins; 0 on the last."""
        batches = await self._uploads.with_jobs(tenant, before, count + 1)
        found = await asyncio.gather(*(self._listed(batch) for batch in batches[:count]))
        return [job for job in found if job], batches[count - 1].id if len(batches) > count else 0

    @asynccontextmanager
    async def watch(
        self, tenant: str, job_id: str, after_sequence: int
    ) -> AsyncIterator[AsyncIterator[event_pb2.JobEvent]]:
        """Yields a job's events after a position, stored and live, until its end."""
        await self._first(tenant, job_id)
        log = await self._link.log()
        async with log.follow(job_id, after_sequence) as events:
            yield events

    async def cancel(self, tenant: str, job_id: str, message: str) -> pb.IngestJob:
        """Ends a queued job, asks a running one to stop, returns a finished one as it is."""
        if len(message) > _LONGEST_MESSAGE:
            raise InvalidFields({"message": f"must be at most {_LONGEST_MESSAGE} characters, is {len(message)}"})
        await self._first(tenant, job_id)
        try:
            last = await (await self._link.log()).request_cancel(job_id, message)
        except JobGone:
            raise _not_found() from None
        if last.HasField("done"):
            with suppress(DependencyDown):
                await self._uploads.end(tenant, job_id)
        return await self._read(tenant, job_id)

    async def _check_room(self, tenant: str, uploads: Sequence[Upload]) -> None:
        size, limit = sum(len(upload.content) for upload in uploads), self._limits.staged_bytes
        if size and (held := await self._uploads.unsettled_bytes(tenant)) + size > limit:
            message = f"{held} bytes wait to be ingested, and {limit} may; wait for a job to end, then send the rest"
            reason = error_pb2.ERROR_REASON_QUOTA_EXCEEDED
            raise Exhausted(reason, message, _ROOM_RETRY_S, size_bytes=str(size), limit_bytes=str(limit))

    async def _wait(self, job: pb.IngestJob, limit_s: float) -> None:
        log = await self._link.log()
        with suppress(TimeoutError, JobGone):
            async with asyncio.timeout(limit_s), log.follow(job.job_id, job.last_sequence) as events:
                async for _ in events:
                    pass

    async def _read(self, tenant: str, job_id: str) -> pb.IngestJob:
        job = await self._recorded(await self._first(tenant, job_id))
        if job.progress.failed and not job.HasField("end_time"):
            # An event names only those that failed since the one before.
            del job.progress.failures[:]
            with suppress(DependencyDown):
                job.progress.failures.extend(await self._failures(tenant, job_id))
        return job

    async def _recorded(self, first: event_pb2.JobEvent) -> pb.IngestJob:
        log = await self._link.log()
        counted, last = await asyncio.gather(log.last(first.job_id, "progress"), log.last(first.job_id))
        return record(first, last or first, counted.progress if counted else None)

    async def _failures(self, tenant: str, job_id: str) -> Sequence[ingest_pb2.FailedDocument]:
        batch = await self._uploads.of_job(tenant, job_id)
        return await Staging(self._database, tenant, batch).failures() if batch else ()

    async def _listed(self, batch: StagedUpload) -> pb.IngestJob | None:
        """Returns a job without its failures; None when it was never accepted, is past retention, or damaged."""
        try:
            first = await (await self._link.log()).first(batch.job_id)
            if first is None:
                return None
            job = await self._recorded(first)
        except DecodeError:
            structlog.get_logger().exception("ingest job cannot be read", job_id=batch.job_id)
            return None
        del job.progress.failures[:]
        return job

    async def _first(self, tenant: str, job_id: str) -> event_pb2.JobEvent:
        """Reads a job's first event. Another tenant's job is as unknown as one that never was."""
        if not belongs_to(job_id, tenant):
            raise _not_found()
        first = await (await self._link.log()).first(job_id)
        if first is None or envelope_of(first).tenant != tenant:
            raise _not_found()
        return first


def _envelope(caller: CallContext, order: IngestOrder, batch: StagedUpload) -> event_pb2.Accepted:
    accepted = event_pb2.Accepted(
        tenant=caller.tenant,
        key_id=caller.key_id,
        request_id=order.request_id,
        request_hash=batch.request_hash,
        traceparent=caller.traceparent,
        ingest=ingest_pb2.IngestTask(
            collection=order.collection,
            upload_id=batch.upload_id,
            documents=batch.documents,
            content_bytes=batch.content_bytes,
            skip_duplicates=order.skip_duplicates,
        ),
    )
    if batch.expire_time:
        accepted.expire_time.FromDatetime(batch.expire_time)
    return accepted


def _check_same(first: event_pb2.JobEvent, order: IngestOrder) -> None:
    before = envelope_of(first).request_hash
    if before != order.request_hash:
        message = "request_id was used for another ingest job; use a new one"
        reason = error_pb2.ERROR_REASON_REQUEST_ID_REUSED
        raise AlreadyExists(reason, message, first_hash=before, this_hash=order.request_hash)


def _not_found() -> NotFound:
    message = "no such ingest job, or it is past retention; check job_id and the key's tenant"
    return NotFound(error_pb2.ERROR_REASON_JOB_NOT_FOUND, message)
