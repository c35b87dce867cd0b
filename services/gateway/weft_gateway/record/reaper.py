"""The reaper: ends jobs that nobody else can, because they expired without a worker or their log is lost.

Workers end the jobs that they take. A job that no worker takes, because there are none or all died, would wait for
ever, and so would one that the log lost with its store. The record finds such jobs, and the log decides. The end is a
fenced write, so a worker or another replica that is faster wins, and there is one `done` in any case.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Final, Protocol

import structlog
from google.protobuf.message import DecodeError
from prometheus_client import Counter

from weft.job.v1 import event_pb2, job_pb2
from weft_kit.joblog import AlreadyAccepted, Fenced, JobLog, write_end
from weft_kit.joblog.events.terminal import lost_event, terminal_event
from weft_kit.rpc.time import datetime_of

REAPED = Counter("weft_gateway_reaped_jobs", "Jobs ended because they expired, or the log lost them.", ["state"])
FAILED = Counter("weft_gateway_failed_reaps", "Tries to end such a job that failed.")

_FIRST_WAIT: Final = timedelta(seconds=5)
_LONGEST_WAIT: Final = timedelta(minutes=10)
_MOST_REMEMBERED: Final = 10_000


class UnfinishedJobs(Protocol):
    """The jobs without an end on record. Raises DependencyDown while the record cannot be read."""

    def expired(self, before: datetime) -> AsyncIterator[tuple[str, event_pb2.Accepted]]:
        """Yields those that expired before a time."""
        ...

    def accepted(self, before: datetime) -> AsyncIterator[tuple[str, list[event_pb2.JobEvent]]]:
        """Yields those that were accepted before a time, with their recorded events."""
        ...


class Reaper:
    """Checks every `poll_s` for jobs that expired `grace_s` ago, which leaves workers that long to end them.

    A job that is not in the log counts as lost only if it was accepted, and the log created, at least that long ago. A
    job that cannot be ended delays no other, and is tried again after twice as long each time, up to ten minutes.
    """

    def __init__(self, log: JobLog, records: UnfinishedJobs, *, grace_s: float, poll_s: float = 5.0) -> None:
        self._log = log
        self._records = records
        self._grace = timedelta(seconds=grace_s)
        self._poll_s = poll_s
        self._failed: dict[str, tuple[datetime, timedelta]] = {}
        """When jobs that could not be ended are tried again, and how long they wait."""
        self._lines = structlog.get_logger()

    async def watch(self) -> None:
        """Runs for ever. Raises DependencyDown while PostgreSQL or the log is down, or the clock is wrong."""
        while True:
            await self._log.check_clock()
            now = datetime.now(UTC)
            await self.bury(now)
            await self.bury_lost(now)
            await asyncio.sleep(self._poll_s)

    async def bury(self, now: datetime) -> None:
        """Ends every job that expired `grace_s` before `now` and that nobody ended."""
        before = now - self._grace
        async for job_id, accepted in self._records.expired(before):
            await self._alone(job_id, now, partial(self._bury, job_id, accepted, before))

    async def bury_lost(self, now: datetime) -> None:
        """Ends every job of the record that is older than everything in the log, and that is not in the log."""
        reach, settled = await self._log.reach(), now - self._grace
        if reach.made > settled:
            return  # a store that was only misplaced may come back
        before = min(reach.oldest, settled)
        async for job_id, recorded in self._records.accepted(before):
            await self._alone(job_id, now, partial(self._bury_lost, job_id, recorded))

    async def _alone(self, job_id: str, now: datetime, bury: Callable[[], Awaitable[None]]) -> None:
        """Ends one job without affecting others. Raises DependencyDown if the log fails, rather than the job."""
        due, waited = self._failed.get(job_id, (now, timedelta()))
        if now < due:
            return
        try:
            await bury()
        except (Fenced, AlreadyAccepted):
            pass  # somebody lives who cares for it
        except Exception:  # noqa: BLE001
            await self._log.check()
            await self._log.reach()
            self._put_off(job_id, now, waited)
            return
        self._failed.pop(job_id, None)

    def _put_off(self, job_id: str, now: datetime, waited: timedelta) -> None:
        if len(self._failed) >= _MOST_REMEMBERED:
            self._failed.clear()
        wait = min(max(2 * waited, _FIRST_WAIT), _LONGEST_WAIT)
        self._failed[job_id] = now + wait, wait
        FAILED.inc()
        self._lines.exception("a job cannot be ended", job_id=job_id, again_in_s=wait.total_seconds())

    async def _bury(self, job_id: str, accepted: event_pb2.Accepted, before: datetime) -> None:
        if done := await self._end(job_id, accepted, before):
            self._note(job_id, accepted.tenant, done)

    async def _bury_lost(self, job_id: str, recorded: Sequence[event_pb2.JobEvent]) -> None:
        if await self._log.first(job_id):
            return  # its time was set by another clock
        done = lost_event(job_id, recorded)
        await self._log.answer(job_id, done)
        self._note(job_id, done.accepted.tenant, done)

    async def _end(self, job_id: str, accepted: event_pb2.Accepted, before: datetime) -> event_pb2.Done | None:
        try:
            events = await self._log.events(job_id)
        except DecodeError:
            # Nobody will ever read its text.
            done = terminal_event(job_id, ())
            return done if await self._log.end_unread(job_id, done) else None
        if not events:
            # Past the log's retention: a single event contains everything.
            done = terminal_event(job_id, events)
            done.accepted.CopyFrom(accepted)
            await self._log.answer(job_id, done)
            return done
        if events[-1].HasField("done") or _lives(events[0], before):
            return None  # the record lags behind the log, or the request id was used again after retention
        done = terminal_event(job_id, events)
        return await write_end(self._log.writer(job_id, events[-1].sequence), done, events[0].sequence)

    def _note(self, job_id: str, tenant: str, done: event_pb2.Done) -> None:
        state = job_pb2.JobState.Name(done.state).removeprefix("JOB_STATE_")
        REAPED.labels(state).inc()
        self._lines.info("job buried", job_id=job_id, tenant=tenant, state=state, attempts=len(done.attempts))


def _lives(first: event_pb2.JobEvent, before: datetime) -> bool:
    return first.HasField("accepted") and datetime_of(first.accepted.expire_time) >= before
