"""The undertaker: ends jobs that expired while no worker was there to say so.

Workers end the jobs they take. A job that none takes, because there are none or all died, would wait for ever: the
record shows it, and the log decides. The end is a fenced write, so a worker or another replica that is faster wins, and
there is one `done` in any case.
"""

import asyncio
from datetime import UTC, datetime, timedelta

import structlog
from google.protobuf.message import DecodeError
from prometheus_client import Counter

from weft.job.v1 import event_pb2, job_pb2
from weft_gateway.record.obituary import obituary
from weft_gateway.record.postgres_records import RecordStore
from weft_kit.joblog import AlreadyAccepted, Fenced, JobLog

BURIED = Counter("weft_gateway_buried_jobs", "Expired jobs that no worker ended.", ["state"])


class Undertaker:
    """Looks every `poll_s` for jobs that expired `grace_s` ago: as long a worker may take to say so itself."""

    def __init__(self, log: JobLog, records: RecordStore, *, grace_s: float, poll_s: float = 5.0) -> None:
        self._log = log
        self._records = records
        self._grace = timedelta(seconds=grace_s)
        self._poll_s = poll_s
        self._lines = structlog.get_logger()

    async def watch(self) -> None:
        """Runs for ever. Raises DependencyDown while PostgreSQL or the log is down."""
        while True:
            await self.bury(datetime.now(UTC))
            await asyncio.sleep(self._poll_s)

    async def bury(self, now: datetime) -> None:
        """Ends every job whose time was up `grace_s` before `now`, and that nobody ended."""
        before = now - self._grace
        async for job_id, accepted in self._records.expired(before):
            try:
                done = await self._end(job_id, accepted, before)
            except (Fenced, AlreadyAccepted):
                continue  # somebody lives who cares for it
            except DecodeError:
                self._lines.exception("a job cannot be read, nor ended", job_id=job_id)
                continue
            if done:
                self._note(job_id, accepted.tenant, done)

    async def _end(self, job_id: str, accepted: event_pb2.Accepted, before: datetime) -> event_pb2.Done | None:
        events = await self._log.events(job_id)
        if not events:
            # Past the log's retention: one event tells all that is left to tell.
            done = obituary(job_id, events)
            done.accepted.CopyFrom(accepted)
            await self._log.answer(job_id, done)
            return done
        if events[-1].HasField("done") or _lives(events[0], before):
            return None  # the record trails the log, or the request id was used again after retention
        done = obituary(job_id, events)
        await self._log.writer(job_id, events[-1].sequence).append(done)
        return done

    def _note(self, job_id: str, tenant: str, done: event_pb2.Done) -> None:
        state = job_pb2.JobState.Name(done.state).removeprefix("JOB_STATE_")
        BURIED.labels(state).inc()
        self._lines.info("job buried", job_id=job_id, tenant=tenant, state=state, attempts=len(done.attempts))


def _lives(first: event_pb2.JobEvent, before: datetime) -> bool:
    return first.HasField("accepted") and first.accepted.expire_time.ToDatetime(tzinfo=UTC) >= before
