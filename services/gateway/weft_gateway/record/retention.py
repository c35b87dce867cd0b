"""Retention: takes out of the record what has been in it for as long as its tenant's jobs are kept.

Replicas may all do it: what one of them holds the others pass over.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import structlog
from prometheus_client import Counter

from weft_gateway.record.postgres_erasure import ErasureStore, Oldest
from weft_kit.retention import Retention

DROPPED = Counter("weft_gateway_retention_dropped", "Jobs past retention, by what was deleted of them.", ["what"])

Drop = Callable[[str, datetime, int], Awaitable[int]]


class RetentionSweeper:
    """Looks every `poll_s` for what is past retention, and deletes it `batch` jobs at a time.

    Nothing goes while the log may still bring an event of it, for `least_s` after a job was accepted.
    """

    def __init__(
        self,
        store: ErasureStore,
        rules: Callable[[str], Retention],
        *,
        least_s: float,
        poll_s: float = 60.0,
        batch: int = 200,
    ) -> None:
        self._store = store
        self._rules = rules
        self._least = timedelta(seconds=least_s)
        self._poll_s = poll_s
        self._batch = batch
        self._log = structlog.get_logger()

    async def watch(self) -> None:
        """Runs for ever. Raises DependencyDown while PostgreSQL is down."""
        while True:
            await self.sweep(datetime.now(UTC))
            await asyncio.sleep(self._poll_s)

    async def sweep(self, now: datetime) -> None:
        """Deletes everything that is past retention at `now`."""
        for oldest in await self._store.oldest():
            days = self._rules(oldest.tenant).records_days
            await self._drop("records", self._store.drop_records, oldest, self._before(now, days))
        for oldest in await self._store.oldest_with_contents():
            days = self._rules(oldest.tenant).contents_days
            await self._drop("contents", self._store.drop_contents, oldest, self._before(now, days))
        while await self._store.drop_marks(now - self._least, self._batch):
            pass

    def _before(self, now: datetime, days: float) -> datetime:
        return now - max(timedelta(days=days), self._least)

    async def _drop(self, what: str, drop: Drop, oldest: Oldest, before: datetime) -> None:
        if oldest.accept_time >= before:
            return
        dropped = 0
        while (count := await drop(oldest.tenant, before, self._batch)) > 0:
            dropped += count
            DROPPED.labels(what).inc(count)
        if dropped:
            self._log.info("past retention", what=what, tenant=oldest.tenant, jobs=dropped)
