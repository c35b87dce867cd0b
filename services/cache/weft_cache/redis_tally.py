"""Counts of a tenant's lookups: gathered here, added up in Redis."""

from collections import Counter
from dataclasses import dataclass, fields
from typing import Final

from weft_cache.partition import tenant_digest
from weft_cache.redis_guard import RedisGuard, StoreDown

_PREFIX: Final = "weft:cache:tally:"


@dataclass(frozen=True, slots=True)
class Tally:
    """What became of lookups."""

    exact_hits: int = 0
    semantic_hits: int = 0
    misses: int = 0
    tokens_saved: int = 0


class RedisTally:
    """Costs a lookup no round trip: counts leave for Redis together, every so often."""

    def __init__(self, guard: RedisGuard) -> None:
        self._guard = guard
        self._pending: Counter[tuple[str, str]] = Counter()

    def add(self, tenant: str, tally: Tally) -> None:
        """Counts; never waits."""
        for field in fields(tally):
            if count := getattr(tally, field.name):
                self._pending[tenant, field.name] += count

    async def flush(self) -> None:
        """Sends what was counted. What did not arrive for sure is sent again: rather twice than never."""
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

    async def read(self, tenant: str) -> Tally:
        """A tenant's counts, of all replicas; raises StoreDown."""
        await self.flush()
        names = [field.name for field in fields(Tally)]
        counts = await self._guard.command("HMGET", _PREFIX + tenant_digest(tenant), *names)
        return Tally(*(int(count or 0) for count in counts))
