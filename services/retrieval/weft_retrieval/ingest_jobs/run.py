"""One attempt at one ingest job, from its lease to its last event."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass

import psycopg
import structlog
from google.protobuf.message import DecodeError

from weft.common.v1 import error_pb2
from weft.job.v1 import event_pb2, ingest_pb2
from weft_kit.joblog import Fenced, JobLog, Lease
from weft_kit.rpc.errors import DependencyDown, Internal, WeftError
from weft_kit.rpc.time import duration, now, seconds_between
from weft_kit.tasks import ended
from weft_retrieval.inference.batches import SharedBatches
from weft_retrieval.ingest.ingest import Ingestor
from weft_retrieval.ingest_jobs.outcomes import (
    IngestEnd,
    Stop,
    done,
    released,
)
from weft_retrieval.ingest_jobs.postgres_staging import Staging
from weft_retrieval.ingest_jobs.postgres_uploads import Uploads
from weft_retrieval.ingest_jobs.progress import (
    MAX_FAILURES,
    Failures,
    Progress,
    interval_s,
)
from weft_retrieval.ingest_jobs.retry import patiently
from weft_retrieval.ingest_jobs.storing import Destination, Storing, StoringRoom
from weft_retrieval.storage.postgres import TenantDatabase


@dataclass(frozen=True, slots=True)
class IngestDependencies:
    """What all attempts of a process share."""

    log: JobLog
    database: TenantDatabase
    uploads: Uploads
    ingestor: Ingestor
    embedder: SharedBatches
    room: StoringRoom


class IngestRun:
    """Stores a job's documents, reports progress, and ends the job."""

    def __init__(self, lease: Lease, means: IngestDependencies) -> None:
        self._job_id = lease.job_id
        self._accepted = lease.event.accepted
        self._means = means
        self._writer = means.log.writer(lease.job_id, lease.event.sequence)
        self._attempt = 1
        self._storing: Storing | None = None
        self._working: asyncio.Task[None] | None = None
        self._changed = asyncio.Event()
        self._why: Stop | None = None
        self._failure: WeftError | None = None
        self._began = asyncio.get_running_loop().time()
        self._busy_before_s = means.embedder.busy_s

    def stop(self, why: Stop) -> None:
        """Ends the attempt soon, unless all is stored already; the first reason given counts."""
        if self._all_stored:
            return
        self._why = self._why or why
        if self._working:
            self._working.cancel()

    @property
    def _all_stored(self) -> bool:
        return self._working is not None and self._working.done() and not self._working.cancelled()

    async def to_end(self) -> IngestEnd:
        """Works until the job is over, or belongs to another attempt; raises DependencyDown when the log is down."""
        try:
            events = await self._means.log.events(self._job_id)
        except DecodeError as error:
            return await self._end_unread(error)
        if not events:
            # Its log is lost: there is nothing to ack, and a repeat of the request finds its contents here.
            return IngestEnd.SUPERSEDED
        if events[-1].HasField("done"):
            await self._drop_contents()
            return IngestEnd.DONE
        self._writer = self._means.log.writer(self._job_id, events[-1].sequence)
        self._attempt += sum(event.HasField("started") for event in events)
        try:
            if events[-1].HasField("cancel_requested"):
                self._why = Stop.CANCELLED
            else:
                await self._writer.append(event_pb2.Started(attempt=self._attempt))
            await self._work()
        except Fenced as fenced:
            if not self._may_go_on(fenced.last):
                return IngestEnd.SUPERSEDED
        return await self._conclude()

    async def _work(self) -> None:
        """Stores until everything is stored, the attempt is stopped, or the log has moved on; raises Fenced for the
        last.
        """
        self._working = asyncio.create_task(self._store())
        telling = asyncio.create_task(self._tell())
        left_s = seconds_between(now(), self._accepted.expire_time)
        expiry = asyncio.get_running_loop().call_later(max(0.0, left_s), self.stop, Stop.EXPIRED)
        if self._why:
            self._working.cancel()
        try:
            await asyncio.wait((self._working, telling), return_when=asyncio.FIRST_COMPLETED)
        finally:
            expiry.cancel()
            await ended(self._working, telling)
        if not telling.cancelled() and (error := telling.exception()):
            raise error
        if not self._working.cancelled() and (error := self._working.exception()):
            self._failure = error if isinstance(error, WeftError) else self._bug(error)

    def _bug(self, error: BaseException) -> Internal:
        """Ends the attempt after our own bug, which must neither keep the job from ending nor recur with every
        delivery.
        """
        structlog.get_logger().error("ingest job failed by a bug", job_id=self._job_id, exc_info=error)
        return Internal(self._job_id)

    async def _end_unread(self, error: DecodeError) -> IngestEnd:
        """Ends a job whose log contains something that is not an event: no attempt can know its state."""
        end = done(None, self._bug(error), await self._result())
        try:
            await self._means.log.end_unread(self._job_id, end)
        except Fenced:
            return IngestEnd.SUPERSEDED
        await self._drop_contents()
        return IngestEnd.DONE

    async def _store(self) -> None:
        staging = await patiently("find the documents", self._staged)
        if staging is None:
            raise WeftError(error_pb2.ERROR_REASON_INTERNAL, "its documents are gone; ingest them again")
        task = self._accepted.ingest
        to = Destination(self._job_id, self._accepted.tenant, task.collection, task.skip_duplicates)
        self._storing = Storing(to, staging, self._means.ingestor, self._means.room, self._changed.set)
        await self._storing.all()

    async def _staged(self) -> Staging | None:
        """Returns the job's documents; None if they were deleted."""
        batch = await self._means.uploads.of_job(self._accepted.tenant, self._job_id)
        return Staging(self._means.database, self._accepted.tenant, batch) if batch else None

    async def _tell(self) -> None:
        """Writes progress to the log, as long as there is any."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            if self._storing:
                await self._tell_once(self._storing)
            await asyncio.sleep(interval_s(asyncio.get_running_loop().time() - self._began))

    async def _tell_once(self, storing: Storing) -> None:
        named, storing.unnamed = storing.unnamed[:MAX_FAILURES], storing.unnamed[MAX_FAILURES:]
        if storing.unnamed:
            self._changed.set()
        await self._writer.append(storing.tally.to_wire(named))

    async def _conclude(self) -> IngestEnd:
        """Writes to the log how the attempt ended."""
        if self._why and self._storing:
            with suppress(DependencyDown):  # else they are tried alone, which costs time only
                await self._storing.clear_suspicion()
        while True:
            drained = self._why is Stop.DRAINED and not self._failure
            step = released(self._attempt) if drained else done(self._why, self._failure, await self._result())
            try:
                # A watcher is told of every failure, and `done` names the first hundred.
                while self._storing and self._storing.unnamed:
                    await self._tell_once(self._storing)
                await self._writer.append(step)
            except Fenced as fenced:
                if not self._may_go_on(fenced.last):
                    return IngestEnd.SUPERSEDED
                continue
            if drained:
                return IngestEnd.RELEASED
            await self._drop_contents()
            return IngestEnd.DONE

    def _may_go_on(self, last: event_pb2.JobEvent | None) -> bool:
        """Returns whether the writer that moved the job on only asked for its end; then this attempt must write it."""
        if last is None or not last.HasField("cancel_requested"):
            return False
        self._writer = self._means.log.writer(self._job_id, last.sequence)
        if not self._all_stored:
            self._why = Stop.CANCELLED
        return True

    async def _result(self) -> ingest_pb2.IngestResult:
        seconds = asyncio.get_running_loop().time() - self._began
        busy_s = self._means.embedder.busy_s - self._busy_before_s
        tally, failures = await self._counted()
        return ingest_pb2.IngestResult(
            progress=tally.to_wire(failures),
            duration=duration(seconds),
            embedder_share=min(1.0, busy_s / max(seconds, 1e-9)),
        )

    async def _counted(self) -> tuple[Progress, Failures]:
        """Returns the counts of outcomes, from the store or, while it is down, from this attempt."""
        with suppress(DependencyDown, psycopg.Error):
            if staging := await self._staged():
                return await staging.tally(), await staging.failures()
        if self._storing:
            return self._storing.tally, self._storing.unnamed[:MAX_FAILURES]
        return Progress(self._accepted.ingest.documents), ()

    async def _drop_contents(self) -> None:
        with suppress(DependencyDown, psycopg.Error):  # else they are swept out a day later
            await self._means.uploads.end(self._accepted.tenant, self._job_id)
