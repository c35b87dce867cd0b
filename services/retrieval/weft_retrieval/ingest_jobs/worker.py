"""The worker of ingest jobs: takes them from the log once it is there, and releases those it cannot finish."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial

from prometheus_client import Counter, Gauge

from weft_kit.joblog import JobLog, Lease, Leases
from weft_kit.joblog.queue.worker import Worker, WorkerLimits, WorkerWords
from weft_kit.tasks import ended
from weft_retrieval.ingest_jobs.log_connection import LogLink
from weft_retrieval.ingest_jobs.outcomes import IngestEnd, Stop
from weft_retrieval.ingest_jobs.run import IngestDependencies, IngestRun

JOBS = Counter("weft_retrieval_ingest_leases", "Leases on ingest jobs, by what became of them.", ["end"])
IN_HAND = Gauge("weft_retrieval_ingest_jobs_in_hand", "Ingest jobs this process works on.")

# All jobs are released at once: another replica continues them.
_LIMITS = WorkerLimits(grace_s=0.0, goodbye_s=3.0)
_WORDS = WorkerWords(pull="take ingest jobs", left="ingest job left")


class IngestWorker:
    def __init__(self, means: Callable[[JobLog], IngestDependencies], link: LogLink, *, slots: int) -> None:
        self._means_for = means
        self._link = link
        self._slots = slots
        self._worker: Worker | None = None

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        """Works while the context lasts. Leaving it releases all jobs at once."""
        starting = asyncio.create_task(self._start())
        try:
            yield
        finally:
            await ended(starting)
            if self._worker:
                await self._worker.drain()

    async def _start(self) -> None:
        log = await self._link.log(within_s=None)
        begin = partial(LeasedIngest, means=self._means_for(log))
        self._worker = Worker(log, partial(Leases, log, slots=self._slots), begin, _LIMITS, IN_HAND, words=_WORDS)
        self._worker.start()


class LeasedIngest:
    """One job while this replica holds its lease."""

    def __init__(self, lease: Lease, means: IngestDependencies) -> None:
        self._lease = lease
        self._run = IngestRun(lease, means)
        self._end = IngestEnd.SUPERSEDED
        self._drains = False

    async def run(self) -> None:
        self._end = await self._run.to_end()

    async def close(self) -> None:
        JOBS.labels(self._end.name.lower()).inc()
        if self._end is IngestEnd.DONE:
            await self._lease.ack()
        elif self._end is IngestEnd.RELEASED:
            await self._lease.retry()

    async def fail(self) -> None:
        JOBS.labels("left").inc()

    def cancel(self) -> None:
        # A draining job is about to end, and must not be interrupted again.
        if not self._drains:
            self._run.stop(Stop.CANCELLED)

    def drain(self) -> None:
        self._drains = True
        self._run.stop(Stop.DRAINED)
