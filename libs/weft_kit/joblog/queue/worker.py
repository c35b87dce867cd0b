"""The worker: takes leases as slots become free, runs jobs concurrently, and leaves none behind when it stops."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Protocol

import structlog
from prometheus_client import Gauge

from weft_kit.joblog.log import JobLog
from weft_kit.joblog.queue.leases import Lease, Leases
from weft_kit.rpc.context import CallContext, bound
from weft_kit.tasks import TaskSet, ended, for_ever

_log = structlog.get_logger()


class LeasedJob(Protocol):
    """A job that a worker holds."""

    async def run(self) -> None:
        """Works on the job until there is nothing left to do here; the lease is kept meanwhile."""

    async def close(self) -> None:
        """Settles the lease, once `run` is through."""

    async def fail(self) -> None:
        """Takes note that `run` or `close` raised an error; the lease is not closed."""

    def cancel(self) -> None:
        """Stops: `cancel_requested` stands in the log."""

    def drain(self) -> None:
        """Releases the job, with its progress so far in the log: the worker is shutting down."""


@dataclass(frozen=True, kw_only=True)
class WorkerLimits:
    """How long jobs may take when their worker shuts down."""

    grace_s: float = 0.0
    """For jobs to end by themselves."""
    goodbye_s: float = 2.0
    """For jobs that did not, to write their progress to the log."""


@dataclass(frozen=True, kw_only=True)
class WorkerWords:
    """How a worker's lines in the log begin."""

    pull: str = "pull jobs"
    left: str = "job left"


class Worker:
    """Runs the jobs of a queue: `begin` creates one for each lease, and `in_flight` counts them.

    A cancel for a job that is not run here goes to `missed`.
    """

    def __init__(
        self,
        log: JobLog,
        leases: Callable[[], Leases],
        begin: Callable[[Lease], LeasedJob],
        limits: WorkerLimits,
        in_flight: Gauge,
        *,
        missed: Callable[[str], Awaitable[None]] | None = None,
        words: WorkerWords = WorkerWords(),  # frozen
    ) -> None:
        self._joblog = log
        self._leases = leases
        self._begin = begin
        self._limits = limits
        self._in_flight = in_flight
        self._missed = missed
        self._words = words
        self._jobs: dict[str, LeasedJob] = {}
        self._tasks = TaskSet()
        self._loops: tuple[asyncio.Task[None], ...] = ()
        """Listens, and pulls."""

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        """Works while the context lasts. Leaving it drains."""
        self.start()
        try:
            yield
        finally:
            await self.drain()

    def start(self) -> None:
        """Begins to take jobs, and to listen for cancels."""
        listening = asyncio.create_task(for_ever("listen for cancels", self._listen))
        self._loops = listening, asyncio.create_task(for_ever(self._words.pull, self._pull))

    async def drain(self) -> None:
        """Takes no more jobs, lets those begun finish within the limits, and gives the rest back."""
        listening, pulling = self._loops
        try:
            await ended(pulling)
            await self._tasks.wait(self._limits.grace_s)
            for job in self._jobs.values():
                job.drain()
            await self._tasks.wait(self._limits.goodbye_s)
            self._tasks.cancel()
            await self._tasks.wait(self._limits.goodbye_s)
        finally:
            await ended(listening, pulling)

    async def _pull(self) -> None:
        async with self._leases().leases() as leases:
            async for lease in leases:
                if lease.job_id in self._jobs:
                    # It came again because the log did not hear us for a while. The job goes on, and will ack for both.
                    lease.release()
                    continue
                job = self._jobs[lease.job_id] = self._begin(lease)
                self._tasks.start(self._run(lease, job))

    async def _listen(self) -> None:
        async with self._joblog.cancel_signals() as signals:
            async for job_id in signals:
                if job := self._jobs.get(job_id):
                    job.cancel()
                elif self._missed:
                    await self._missed(job_id)

    async def _run(self, lease: Lease, job: LeasedJob) -> None:
        accepted = lease.event.accepted
        context = CallContext(lease.job_id, accepted.tenant, accepted.key_id, accepted.traceparent)
        try:
            with bound(context), self._in_flight.track_inprogress(), lease.heartbeats():
                await job.run()
            await job.close()
        except asyncio.CancelledError:
            await lease.retry()
            raise
        except Exception:  # noqa: BLE001
            # What was going on cannot be said in the log, which may be away: the next delivery finds where it stands.
            _log.exception(self._words.left, job_id=lease.job_id)
            await job.fail()
        finally:
            lease.release()
            del self._jobs[lease.job_id]
