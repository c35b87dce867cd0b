"""The worker: takes leases as slots come free, runs their jobs side by side, and lets them finish before it goes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog

from weft_kit.joblog import Lease, Leases
from weft_kit.rpc.context import CallContext, bound
from weft_kit.tasks import background, for_ever
from weft_router import metrics
from weft_router.worker.job_run import (
    JobDependencies,
    JobRun,
    Rest,
    RunOutcome,
)

_log = structlog.get_logger()

_GOODBYE_LIMIT_S = 2.0
"""What jobs may take to say in the log how far they came, once they have to be left."""


class Worker:
    """Runs the jobs of the queue."""

    def __init__(self, means: JobDependencies, work: Leases, grace_s: float) -> None:
        self._means = means
        self._work = work
        self._grace_s = grace_s
        self._runs: dict[str, JobRun] = {}
        self._resting: dict[str, str] = {}
        """The last deliveries of jobs that were given back from here to rest, for as long as they do."""
        self._tasks: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        """Work while the context lasts.

        Leaving it takes no more jobs, lets those begun finish within `grace_s`, and gives the rest back, with what
        they said so far in the log.
        """
        async with background(for_ever("listen for cancels", self._listen)):
            try:
                async with background(for_ever("pull jobs", self._pull)):
                    yield
            finally:
                await self._drain()

    async def _pull(self) -> None:
        async with self._work.leases() as leases:
            async for lease in leases:
                if lease.job_id in self._runs:
                    # It came again because the log did not hear us for a while. The run goes on, and will ack for both.
                    lease.release()
                    continue
                run = self._runs[lease.job_id] = JobRun(lease, self._means)
                task = asyncio.create_task(self._run(lease, run))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    async def _listen(self) -> None:
        async with self._means.log.cancel_signals() as signals:
            async for job_id in signals:
                if run := self._runs.get(job_id):
                    run.cancel()
                elif delivery := self._resting.pop(job_id, None):
                    await self._work.redeliver_now(delivery)

    async def _run(self, lease: Lease, run: JobRun) -> None:
        accepted = lease.event.accepted
        context = CallContext(lease.job_id, accepted.tenant, accepted.key_id, accepted.traceparent)
        try:
            with bound(context), metrics.JOBS_IN_FLIGHT.track_inprogress():
                async with lease.heartbeats():
                    outcome = await run.to_end()
            lease.settle(run.tokens)
            await self._close(lease, outcome)
        except asyncio.CancelledError:
            metrics.JOBS_LEFT.labels("drained").inc()
            await lease.retry()
            raise
        except Exception:  # noqa: BLE001
            # What was going on cannot be said in the log, which may be away: the next delivery finds where it stands.
            metrics.JOBS_LEFT.labels("failed").inc()
            _log.exception("job left", job_id=lease.job_id)
            if lease.delivery > self._means.max_deliveries:
                await lease.give_up()
        finally:
            lease.release()
            del self._runs[lease.job_id]

    async def _close(self, lease: Lease, outcome: RunOutcome | Rest) -> None:
        match outcome:
            case RunOutcome.DONE:
                await lease.ack()
            case RunOutcome.RELEASED:
                metrics.JOBS_LEFT.labels("drained").inc()
                await lease.retry()
            case Rest(seconds, waits_for):
                metrics.JOBS_LEFT.labels(waits_for).inc()
                self._resting[lease.job_id] = lease.delivery_id
                asyncio.get_running_loop().call_later(seconds, self._forget, lease.job_id, lease.delivery_id)
                await lease.retry(seconds)
            case RunOutcome.SUPERSEDED:
                metrics.JOBS_LEFT.labels("overtaken").inc()

    def _forget(self, job_id: str, delivery_id: str) -> None:
        """Note that a job's rest is over; it may have come back before, and rest again."""
        if self._resting.get(job_id) == delivery_id:
            del self._resting[job_id]

    async def _drain(self) -> None:
        await self._wait_for_jobs(self._grace_s)
        for run in self._runs.values():
            run.drain()
        await self._wait_for_jobs(_GOODBYE_LIMIT_S)
        for task in self._tasks:
            task.cancel()
        await self._wait_for_jobs(_GOODBYE_LIMIT_S)

    async def _wait_for_jobs(self, limit_s: float) -> None:
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=limit_s)
