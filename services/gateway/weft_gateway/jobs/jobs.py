"""What can be done with jobs: accept, follow, read, list, cancel, delete."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Final

from google.protobuf.message import DecodeError

from weft.common.v1 import error_pb2
from weft.job.v1 import event_pb2, job_pb2
from weft_gateway.jobs.deletion import JobDeletion
from weft_gateway.jobs.disconnects import Disconnects
from weft_gateway.jobs.long_polls import LongPolls
from weft_gateway.jobs.readers import OpenReader, Readers
from weft_gateway.pages import Position
from weft_gateway.record.job_query import JobQuery
from weft_gateway.record.postgres_jobs import RecordStore
from weft_gateway.submission.admission import JobAdmission
from weft_gateway.submission.batch import Outcome, check_batch, outcomes
from weft_gateway.submission.envelope import Submission
from weft_gateway.submission.log_limit import log_limit
from weft_gateway.submission.validation import check_item
from weft_kit.joblog import JobGone, JobLog, belongs_to, envelope_of, project
from weft_kit.logging import note
from weft_kit.rpc.context import CallContext, remaining
from weft_kit.rpc.errors import (
    DependencyDown,
    FailedPrecondition,
    InvalidFields,
    NotFound,
)
from weft_kit.tasks import unbroken

_LONGEST_MESSAGE: Final = 256
_LONGEST_WAIT_S: Final = 60.0
_LOST_RETRY_S: Final = 2.0
# The part of the caller's time that is reserved for the answer's way back.
_ANSWER_S: Final = 0.25

Events = AsyncIterator[event_pb2.JobEvent]
Charge = Callable[[CallContext, int, str], Awaitable[None]]
"""Counts this many more calls against the caller's key; the text names the field that asks for them."""


class Jobs:
    """Operations on jobs. Accepting needs only the log; reading needs the record only past the log's retention."""

    def __init__(
        self,
        log: JobLog,
        records: RecordStore,
        admission: JobAdmission,
        readers: Readers,
        disconnects: Disconnects,
        long_polls: LongPolls,
        charge: Charge,
        deletion: JobDeletion,
    ) -> None:
        self._log = log
        self._records = records
        self._admission = admission
        self._readers = readers
        self._disconnects = disconnects
        self._long_polls = long_polls
        self._charge = charge
        self._deletion = deletion

    async def submit(self, caller: CallContext, order: Submission) -> job_pb2.Job:
        """Makes a job durable, or finds the one this request id made before."""
        job = await self._submit(caller, order)
        note(job_id=job.job_id)
        return job

    async def submit_all(self, caller: CallContext, orders: Sequence[Submission]) -> list[Outcome]:
        """Submits each request, and yields its job or its error, in their order."""
        check_batch(orders)
        await self._charge(caller, len(orders) - 1, "requests")
        found = await outcomes(self._submit_item(caller, order) for order in orders)
        note(requests=len(found), jobs=sum(isinstance(outcome, job_pb2.Job) for outcome in found))
        return found

    @asynccontextmanager
    async def generate(self, caller: CallContext, order: Submission, patience_s: float | None) -> AsyncIterator[Events]:
        """Makes a job durable, or finds it, and yields its events.

        If the caller leaves before the end, the job is cancelled once nobody has read it for `patience_s`; None means
        never.
        """
        ticket = self._admission.ticket(caller, order)
        note(job_id=ticket.job_id)
        with self._readers.reading(ticket.job_id) as reading:
            # Subscribing before the first event exists saves reading it back from the log.
            async with self._log.follow(ticket.job_id) as events:
                with self._disconnects.minded(ticket.job_id, patience_s, reading):
                    # A caller who leaves meanwhile must find the job either there, to be cancelled, or not there at
                    # all.
                    await unbroken(self._admission.begin(ticket))
                    yield reading.watched(events)

    @asynccontextmanager
    async def stream(self, tenant: str, job_id: str, after_sequence: int) -> AsyncIterator[Events]:
        """Yields a job's events after a position. Past the log's retention that is `done` alone, from the record."""
        if not belongs_to(job_id, tenant):
            raise _not_found()
        first = await self._log.first(job_id)
        if first is None or envelope_of(first).tenant != tenant:
            recorded = (await self._known(tenant, job_id))[-1]
            yield _after(after_sequence, recorded)
            return
        with self._readers.reading(job_id) as reading:
            async with self._log.follow(job_id, max(after_sequence, first.sequence)) as events:
                try:
                    yield reading.watched(_after(after_sequence, first, events))
                except JobGone:
                    raise _not_found() from None

    async def get(self, tenant: str, job_id: str, wait_s: float = 0.0) -> job_pb2.Job:
        """Returns the job as it is: at once, or when it ends, or at the latest after `wait_s` (0-60)."""
        if not 0 <= wait_s <= _LONGEST_WAIT_S:
            raise InvalidFields({"wait": f"must be 0-{_LONGEST_WAIT_S:g} s, is {wait_s:g} s"})
        known = await self._known(tenant, job_id)
        if known[-1].HasField("done"):
            return project(job_id, known)
        with self._readers.reading(job_id) as reading:
            if wait_s:
                known += await self._until_done(job_id, known[-1].sequence, wait_s, reading)
        return project(job_id, known)

    async def cancel(self, tenant: str, job_id: str, message: str) -> job_pb2.Job:
        """Ends a queued job, asks a running one to stop, returns a finished one as it is."""
        if len(message) > _LONGEST_MESSAGE:
            raise InvalidFields({"message": f"must be at most {_LONGEST_MESSAGE} characters, is {len(message)}"})
        known = await self._known(tenant, job_id)
        if known[-1].HasField("done"):
            return project(job_id, known)
        try:
            async with log_limit(self._log.config.accept_timeout_s):
                last = await self._log.request_cancel(job_id, message)
        except JobGone:
            raise _not_found() from None
        earlier = [event for event in known if event.sequence < last.sequence]
        return project(job_id, [*earlier, last])

    async def delete(self, tenant: str, job_id: str) -> None:
        """Deletes a job that is over; raises FailedPrecondition for one that is not."""
        known = await self._found(tenant, job_id)
        if known[-1].HasField("deleted"):
            await self._deletion.erase([job_id])  # it had begun, and was cut off
            return
        if not known[-1].HasField("done"):
            message = "the job is not over; cancel it and wait for its end, then delete it"
            raise FailedPrecondition(error_pb2.ERROR_REASON_JOB_NOT_OVER, message)
        await self._deletion.delete(tenant, job_id, known)

    async def page(self, query: JobQuery) -> tuple[list[job_pb2.Job], Position | None]:
        """Returns a page of jobs without request and answer, and where the next one begins."""
        found, position = await self._records.page(query)
        return [_brief(project(events[0].job_id, events)) for events in found], position

    async def _submit_item(self, caller: CallContext, order: Submission) -> job_pb2.Job:
        check_item(order.request)
        return await self._submit(caller, order)

    async def _submit(self, caller: CallContext, order: Submission) -> job_pb2.Job:
        ticket = self._admission.ticket(caller, order)
        if first := await self._admission.begin(ticket):
            return project(ticket.job_id, [first])
        return project(ticket.job_id, await self._known(caller.tenant, ticket.job_id))

    async def _until_done(
        self, job_id: str, after_sequence: int, wait_s: float, reading: OpenReader
    ) -> list[event_pb2.JobEvent]:
        """Returns what happens to a job after a position until its end, or until the wait or the caller's time is
        over.
        """
        events: list[event_pb2.JobEvent] = []
        limit_s = remaining(wait_s + _ANSWER_S) - _ANSWER_S
        with suppress(JobGone):
            async with self._long_polls.at_most(limit_s), self._log.follow(job_id, after_sequence) as following:
                async for event in reading.watched(following):
                    events.append(event)  # noqa: PERF401  # what came before the wait ended is kept
        return events

    async def _known(self, tenant: str, job_id: str) -> list[event_pb2.JobEvent]:
        """Reads a job of this tenant: from the log or, past its retention, the record of its end.

        Another tenant's job, and one that is being deleted, is as unknown as one that never existed.
        """
        found = await self._found(tenant, job_id)
        if found[-1].HasField("deleted"):
            raise _not_found()
        return found

    async def _found(self, tenant: str, job_id: str) -> list[event_pb2.JobEvent]:
        """Returns what there is of a job, including one that is being deleted."""
        if not belongs_to(job_id, tenant):
            raise _not_found()
        try:
            logged = await self._log.events(job_id)
        except DecodeError:
            # Of a job whose log is damaged, the record knows the end.
            recorded = await self._records.find(tenant, job_id)
            if not recorded or not recorded[-1].HasField("done"):
                raise
            return recorded
        if logged and envelope_of(logged[0]).tenant == tenant:
            return logged
        recorded = await self._records.find(tenant, job_id)
        if not recorded:
            raise _not_found()
        if not recorded[-1].HasField("done"):
            raise _log_lost()
        return recorded


def _not_found() -> NotFound:
    message = "no such job, or it is past retention; check job_id and the key's tenant"
    return NotFound(error_pb2.ERROR_REASON_JOB_NOT_FOUND, message)


def _log_lost() -> DependencyDown:
    message = "the job log lost this job with its store; how it ended will be in the record in a moment: retry"
    return DependencyDown("nats", message, _LOST_RETRY_S)


def _brief(job: job_pb2.Job) -> job_pb2.Job:
    job.ClearField("request")
    job.ClearField("answer")
    return job


async def _after(sequence: int, first: event_pb2.JobEvent, others: Events | None = None) -> Events:
    """Returns the events of a job after a position, of which the first is there already."""
    if first.sequence > sequence:
        yield first
    if others is not None:
        async for event in others:
            yield event
