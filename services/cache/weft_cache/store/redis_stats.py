"""Counts of a tenant's lookups: collected here, added up in Redis."""

from collections import Counter
from typing import Final

from weft_cache.partition import tenant_digest
from weft_cache.records import LookupCounts
from weft_cache.store.redis_client import RedisClient, StoreDown

_PREFIX: Final = "weft:cache:tally:"


_COUNTS: Final = ("exact_hits", "semantic_hits", "misses", "tokens_saved")
_MONEY: Final = "micros_saved:"


class RedisStats:
    """Counts without a round trip per lookup: counts are sent to Redis together, at intervals."""

    def __init__(self, guard: RedisClient) -> None:
        self._guard = guard
        self._pending: Counter[tuple[str, str]] = Counter()

    def add(self, tenant: str, tally: LookupCounts) -> None:
        """Adds counts; never waits."""
        for name in _COUNTS:
            if count := getattr(tally, name):
                self._pending[tenant, name] += count
        for currency, micros in tally.micros_saved.items():
            self._pending[tenant, _MONEY + currency] += micros

    async def flush(self) -> None:
        """Sends the counts. If it is uncertain whether they arrived they are sent again: better twice than never."""
        pending, self._pending = self._pending, Counter()
        if not pending:
            return
        try:
            await self._guard.transaction(
                ("HINCRBY", _PREFIX + tenant_digest(tenant), name, count) for (tenant, name), count in pending.items()
            )
        except StoreDown:
            self._pending += pending
            raise

    async def read(self, tenant: str) -> LookupCounts:
        """Returns a tenant's counts from all replicas. Raises StoreDown."""
        await self.flush()
        found = await self._guard.command("HGETALL", _PREFIX + tenant_digest(tenant))
        counts = {name.decode(): int(count) for name, count in found.items()}
        money = {name.removeprefix(_MONEY): count for name, count in counts.items() if name.startswith(_MONEY)}
        return LookupCounts(**{name: counts.get(name, 0) for name in _COUNTS}, micros_saved=money)
