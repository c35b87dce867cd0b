"""The worker: takes leases as slots come free, runs their jobs side by side, and lets them finish before it goes."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import structlog

from weft_kit.context import CallContext, bound
from weft_kit.joblog import Lease, Work
from weft_router import metrics
from weft_router.job_run import JobRun, Means

_log = structlog.get_logger()

_PAUSE_S = 1.0
_GOODBYE_LIMIT_S = 2.0


class Worker:
    """Runs the jobs of the queue."""

    def __init__(self, means: Means, work: Work, grace_s: float) -> None:
        self._means = means
        self._work = work
        self._grace_s = grace_s
        self._runs: dict[str, JobRun] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        """Work while the context lasts.

        Leaving it takes no more jobs, lets those begun finish within `grace_s`, and gives the rest back, with what
        they said so far in the log.
        """
        listening = asyncio.create_task(_for_ever("listen for cancels", self._listen))
        pulling = asyncio.create_task(_for_ever("pull jobs", self._pull))
        try:
            yield
        finally:
            await _ended(pulling)
            await self._drain()
            await _ended(listening)

    async def _pull(self) -> None:
        async with self._work.leases() as leases:
            async for lease in leases:
                task = asyncio.create_task(self._run(lease))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    async def _listen(self) -> None:
        async with self._means.log.cancel_signals() as signals:
            async for job_id in signals:
                if run := self._runs.get(job_id):
                    run.cancel()

    async def _run(self, lease: Lease) -> None:
        run = self._runs[lease.job_id] = JobRun(lease, self._means)
        accepted = lease.event.accepted
        context = CallContext(lease.job_id, accepted.tenant, accepted.key_id, accepted.traceparent)
        try:
            with bound(context), metrics.JOBS_IN_FLIGHT.track_inprogress():
                async with lease.heartbeats():
                    is_over = await run.to_end()
            if is_over:
                await lease.ack()
            else:
                metrics.JOBS_LEFT.labels("overtaken").inc()
        except asyncio.CancelledError:
            metrics.JOBS_LEFT.labels("drained").inc()
            await lease.retry()
            raise
        except Exception:  # noqa: BLE001
            # What was going on cannot be said in the log, which may be away: the next delivery finds where it stands.
            metrics.JOBS_LEFT.labels("failed").inc()
            _log.exception("job left", job_id=lease.job_id)
        finally:
            lease.release()
            if self._runs.get(lease.job_id) is run:
                del self._runs[lease.job_id]

    async def _drain(self) -> None:
        if not self._tasks:
            return
        _, late = await asyncio.wait(self._tasks, timeout=self._grace_s)
        for task in late:
            task.cancel()
        if late:
            await asyncio.wait(late, timeout=_GOODBYE_LIMIT_S)


async def _for_ever(what: str, do: Callable[[], Awaitable[None]]) -> None:
    """Do it again whenever it fails: a log that is away comes back, and an idle worker looks like a healthy one."""
    while True:
        try:
            await do()
        except Exception:  # noqa: BLE001
            _log.exception(f"cannot {what}")
        await asyncio.sleep(_PAUSE_S)


async def _ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
