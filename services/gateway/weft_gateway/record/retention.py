"""Retention: deletes from the record what has been kept for its tenant's time.

All replicas may run it: rows locked by one are skipped by the others.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import structlog
from prometheus_client import Counter

from weft_gateway.record.postgres_erasure import ErasureStore, Oldest
from weft_kit.catalog.retention import Retention

DROPPED = Counter("weft_gateway_retention_dropped", "Jobs past retention, by what was deleted of them.", ["what"])

Drop = Callable[[str, datetime, int], Awaitable[int]]


class RetentionSweeper:
    """Checks every `poll_s` for data past retention, and deletes it in batches of `batch` jobs.

    Nothing is deleted while the log may still deliver an event of the job, for `least_s` after it was accepted.
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
        """Deletes everything that is past retention at `now`. A failure for one tenant does not stop the others."""
        for oldest in await self._store.oldest():
            await self._drop("records", self._store.drop_records, oldest, now)
        for oldest in await self._store.oldest_with_contents():
            await self._drop("contents", self._store.drop_contents, oldest, now)
        for oldest in await self._store.oldest_letters():
            await self._drop("dead letters", self._store.drop_letters, oldest, now)
        while await self._store.drop_marks(now - self._least, self._batch):
            pass

    def _before(self, what: str, tenant: str, now: datetime) -> datetime:
        rule = self._rules(tenant)
        # A dead letter holds contents.
        days = rule.records_days if what == "records" else rule.contents_days
        return now - max(timedelta(days=days), self._least)

    async def _drop(self, what: str, drop: Drop, oldest: Oldest, now: datetime) -> None:
        try:
            before = self._before(what, oldest.tenant, now)
            if oldest.time < before:
                await self._drop_all(what, drop, oldest.tenant, before)
        except Exception:  # noqa: BLE001
            self._log.exception("not deleted, though past retention", what=what, tenant=oldest.tenant)

    async def _drop_all(self, what: str, drop: Drop, tenant: str, before: datetime) -> None:
        dropped = 0
        while (count := await drop(tenant, before, self._batch)) > 0:
            dropped += count
            DROPPED.labels(what).inc(count)
        if dropped:
            self._log.info("past retention", what=what, tenant=tenant, jobs=dropped)
