"""The worker: takes ingest jobs from the log as places come free, and gives back those it cannot finish."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import structlog
from prometheus_client import Counter, Gauge

from weft_kit.joblog import JobLog, Lease, Leases
from weft_kit.rpc.context import CallContext, bound
from weft_kit.tasks import ended, for_ever
from weft_retrieval.ingest_jobs.log_connection import LogLink
from weft_retrieval.ingest_jobs.outcomes import IngestEnd, Stop
from weft_retrieval.ingest_jobs.run import IngestDependencies, IngestRun

JOBS = Counter("weft_retrieval_ingest_leases", "Leases on ingest jobs, by what became of them.", ["end"])
IN_HAND = Gauge("weft_retrieval_ingest_jobs_in_hand", "Ingest jobs this process works on.")

_GOODBYE_LIMIT_S = 3.0
"""What jobs may take to say in the log how far they came, once they have to be left."""
_log = structlog.get_logger()


class IngestWorker:
    def __init__(self, means: Callable[[JobLog], IngestDependencies], link: LogLink, *, slots: int) -> None:
        self._means_for = means
        self._link = link
        self._slots = slots
        self._runs: dict[str, IngestRun] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        """Works while the context lasts. Leaving it gives all jobs back at once: another replica goes on with them."""
        working = asyncio.create_task(self._work())
        try:
            yield
        finally:
            working.cancel()
            for run in self._runs.values():
                run.stop(Stop.DRAINED)
            await self._wait_for_runs()
            for task in self._tasks:
                task.cancel()
            await self._wait_for_runs()
            await ended(working)

    async def _work(self) -> None:
        means = self._means_for(await self._link.log(within_s=None))
        async with asyncio.TaskGroup() as group:
            group.create_task(for_ever("take ingest jobs", lambda: self._take(means)))
            group.create_task(for_ever("listen for cancels", lambda: self._listen(means)))

    async def _take(self, means: IngestDependencies) -> None:
        async with Leases(means.log, slots=self._slots).leases() as leases:
            async for lease in leases:
                if lease.job_id in self._runs:
                    # It came again because the log did not hear us for a while. The run goes on, and acks for both.
                    lease.release()
                    continue
                run = self._runs[lease.job_id] = IngestRun(lease, means)
                task = asyncio.create_task(self._run(lease, run))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    async def _listen(self, means: IngestDependencies) -> None:
        async with means.log.cancel_signals() as signals:
            async for job_id in signals:
                if run := self._runs.get(job_id):
                    run.stop(Stop.CANCELLED)

    async def _run(self, lease: Lease, run: IngestRun) -> None:
        accepted = lease.event.accepted
        context = CallContext(lease.job_id, accepted.tenant, accepted.key_id, accepted.traceparent)
        try:
            with bound(context), IN_HAND.track_inprogress():
                async with lease.heartbeats():
                    end = await run.to_end()
            JOBS.labels(end.name.lower()).inc()
            if end is IngestEnd.DONE:
                await lease.ack()
            elif end is IngestEnd.RELEASED:
                await lease.retry()
        except asyncio.CancelledError:
            await lease.retry()
            raise
        except Exception:  # noqa: BLE001
            # The log may be away, and cannot be told: the next delivery finds where the job stands.
            JOBS.labels("left").inc()
            _log.exception("ingest job left", job_id=lease.job_id)
        finally:
            lease.release()
            del self._runs[lease.job_id]

    async def _wait_for_runs(self) -> None:
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=_GOODBYE_LIMIT_S)
