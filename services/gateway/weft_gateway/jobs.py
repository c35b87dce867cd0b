"""What can be done with jobs: accept, follow, read, list, cancel."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from weft.common.v1 import error_pb2
from weft.job.v1 import event_pb2, job_pb2
from weft_gateway.admission import Admission, answered, check_repeat, utc_now
from weft_gateway.answers import Answers
from weft_gateway.listing import JobQuery, Position
from weft_gateway.postgres_records import RecordStore
from weft_kit.context import CallContext
from weft_kit.errors import InvalidFields, NotFound
from weft_kit.joblog import AlreadyAccepted, JobGone, JobLog, belongs_to, envelope_of, new_job_id, project
from weft_kit.logging import note

_LONGEST_MESSAGE: Final = 256

Events = AsyncIterator[event_pb2.JobEvent]


class Jobs:
    """Decides over jobs. Accepting needs the log alone; reading needs the record only past the log's retention."""

    def __init__(self, log: JobLog, records: RecordStore, answers: Answers, admission: Admission) -> None:
        self._log = log
        self._records = records
        self._answers = answers
        self._admission = admission

    async def submit(self, caller: CallContext, request_id: str, request: job_pb2.GenerationRequest) -> job_pb2.Job:
        """Makes a job durable, or finds the one this request id made before."""
        accepted = self._admission.envelope(caller, request_id, request, utc_now())
        job_id = new_job_id(caller.tenant, request.priority, request_id)
        if first := await self._begin(job_id, accepted):
            return project(job_id, [first])
        return await self.get(caller.tenant, job_id)

    @asynccontextmanager
    async def generate(
        self, caller: CallContext, request_id: str, request: job_pb2.GenerationRequest
    ) -> AsyncIterator[Events]:
        """Makes a job durable, or finds it, and yields its events."""
        accepted = self._admission.envelope(caller, request_id, request, utc_now())
        job_id = new_job_id(caller.tenant, request.priority, request_id)
        # Listening before the first event exists is what saves reading it back from the log.
        async with self._log.follow(job_id) as events:
            await self._begin(job_id, accepted)
            yield events

    @asynccontextmanager
    async def stream(self, tenant: str, job_id: str, after_sequence: int) -> AsyncIterator[Events]:
        """Yields a job's events after a position. Past the log's retention that is `done` alone, from the record."""
        if not belongs_to(job_id, tenant):
            raise _not_found()
        first = await self._log.first(job_id)
        if first and envelope_of(first).tenant == tenant:
            async with self._log.follow(job_id, after_sequence) as events:
                yield events
            return
        recorded = (await self._known(tenant, job_id))[-1]
        yield _each([recorded] if recorded.sequence > after_sequence else [])

    async def get(self, tenant: str, job_id: str) -> job_pb2.Job:
        return project(job_id, await self._known(tenant, job_id))

    async def cancel(self, tenant: str, job_id: str, message: str) -> job_pb2.Job:
        """Ends a queued job, asks a running one to stop, returns a finished one as it is."""
        if len(message) > _LONGEST_MESSAGE:
            raise InvalidFields({"message": f"must be at most {_LONGEST_MESSAGE} characters, is {len(message)}"})
        known = await self._known(tenant, job_id)
        if known[-1].HasField("done"):
            return project(job_id, known)
        try:
            last = await self._log.request_cancel(job_id, message)
        except JobGone:
            raise _not_found() from None
        earlier = [event for event in known if event.sequence < last.sequence]
        return project(job_id, [*earlier, last])

    async def page(self, query: JobQuery) -> tuple[list[job_pb2.Job], Position | None]:
        """A page of jobs without request and answer, and where the next one begins."""
        found, position = await self._records.page(query)
        return [_brief(project(events[0].job_id, events)) for events in found], position

    async def _begin(self, job_id: str, accepted: event_pb2.Accepted) -> event_pb2.JobEvent | None:
        """Commits a job's first event. None when it was there already, from the same request."""
        note(job_id=job_id)
        found = await self._answers.find(accepted.request)
        try:
            if found and self._admission.carries(found.answer):
                return await self._log.answer(job_id, answered(accepted, found.answer, found.hit))
            return await self._log.accept(job_id, accepted)
        except AlreadyAccepted as repeat:
            check_repeat(repeat.first, accepted)
            return None

    async def _known(self, tenant: str, job_id: str) -> list[event_pb2.JobEvent]:
        """Reads a job of this tenant: from the log or, past its retention, the record of its end.

        Another tenant's job is as unknown as one that never was.
        """
        if not belongs_to(job_id, tenant):
            raise _not_found()
        logged = await self._log.events(job_id)
        if logged and envelope_of(logged[0]).tenant == tenant:
            return logged
        recorded = await self._records.find(tenant, job_id)
        if not recorded or not recorded[-1].HasField("done"):
            raise _not_found()
        return recorded


def _not_found() -> NotFound:
    message = "no such job, or it is past retention; check job_id and the key's tenant"
    return NotFound(error_pb2.ERROR_REASON_JOB_NOT_FOUND, message)


def _brief(job: job_pb2.Job) -> job_pb2.Job:
    job.ClearField("request")
    job.ClearField("answer")
    return job


async def _each(events: list[event_pb2.JobEvent]) -> Events:
    for event in events:
        yield event
