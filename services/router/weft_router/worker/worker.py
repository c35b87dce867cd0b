"""The router's worker: runs leased jobs, and hands out at once the ones that rest and are cancelled."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from weft_kit.joblog import Lease, Leases
from weft_kit.joblog.queue.worker import Worker, WorkerLimits
from weft_router import metrics
from weft_router.worker.job_run import JobDependencies, JobRun, Rest, RunOutcome


class GenerationWorker:
    """Runs the jobs of the queue."""

    def __init__(self, means: JobDependencies, work: Leases, grace_s: float) -> None:
        self._means = means
        self._work = work
        self._resting: dict[str, str] = {}
        """The last deliveries of jobs that were given back from here to rest, for as long as they do."""
        self._worker = Worker(
            means.log,
            lambda: work,
            self._begin,
            WorkerLimits(grace_s=grace_s),
            metrics.JOBS_IN_FLIGHT,
            missed=self._wake,
        )

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        """Works while the context lasts.

        Leaving it takes no more jobs, lets those begun finish within `grace_s`, and gives the rest back, with what
        they said so far in the log.
        """
        async with self._worker.working():
            yield

    def _begin(self, lease: Lease) -> "LeasedGeneration":
        return LeasedGeneration(lease, self._means, self._resting)

    async def _wake(self, job_id: str) -> None:
        if delivery := self._resting.pop(job_id, None):
            await self._work.redeliver_now(delivery)


class LeasedGeneration:
    """One job while this router has it. Where it rests, its delivery is noted in `resting`."""

    def __init__(self, lease: Lease, means: JobDependencies, resting: dict[str, str]) -> None:
        self._lease = lease
        self._max_deliveries = means.max_deliveries
        self._resting = resting
        self._run = JobRun(lease, means)
        self._outcome: RunOutcome | Rest = RunOutcome.SUPERSEDED
        self.cancel, self.drain = self._run.cancel, self._run.drain

    async def run(self) -> None:
        try:
            self._outcome = await self._run.to_end()
        except asyncio.CancelledError:
            metrics.JOBS_LEFT.labels("drained").inc()
            raise

    async def close(self) -> None:
        self._lease.settle(self._run.tokens)
        match self._outcome:
            case RunOutcome.DONE:
                await self._lease.ack()
            case RunOutcome.RELEASED:
                metrics.JOBS_LEFT.labels("drained").inc()
                await self._lease.retry()
            case Rest(seconds, waits_for):
                metrics.JOBS_LEFT.labels(waits_for).inc()
                self._resting[self._lease.job_id] = self._lease.delivery_id
                asyncio.get_running_loop().call_later(seconds, self._forget)
                await self._lease.retry(seconds)
            case RunOutcome.SUPERSEDED:
                metrics.JOBS_LEFT.labels("superseded").inc()

    async def fail(self) -> None:
        metrics.JOBS_LEFT.labels("failed").inc()
        if self._lease.delivery > self._max_deliveries:
            await self._lease.give_up()

    def _forget(self) -> None:
        """Notes that the job's rest is over; it may have come back before, and rest again."""
        if self._resting.get(self._lease.job_id) == self._lease.delivery_id:
            del self._resting[self._lease.job_id]
