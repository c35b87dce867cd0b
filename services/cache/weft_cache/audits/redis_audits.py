"""Audit results in Redis: a state for each partition, and counts for each tenant and model alias."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import astuple
from typing import Final

from weft_cache.audits.adaptive_threshold import AdaptiveThreshold
from weft_cache.partition import tenant_digest
from weft_cache.records import Audited
from weft_cache.store.redis_client import RedisClient, StoreDown

_WATCH: Final = "weft:cache:watch:"
_COUNTS: Final = "weft:cache:audits:"
_PACE: Final = "weft:cache:audit-pace:"
_EVERYBODY: Final = "everybody"
_KEEP_S: Final = 30 * 24 * 3600
_TRIES: Final = 16
_REPLACE: Final = """
if (redis.call('GET', KEYS[1]) or '') ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'EX', ARGV[3])
return 1
"""


class RedisAudits:
    """Stores audit results. Every method raises StoreDown when Redis does not answer."""

    def __init__(self, guard: RedisClient) -> None:
        self._guard = guard

    async def read(self, tenant: str, partition: str) -> AdaptiveThreshold:
        """Returns a partition's state as it was stored; its level may have expired since."""
        return _watch(await self._guard.command("GET", _key(tenant, partition)))

    async def change(
        self, tenant: str, partition: str, change: Callable[[AdaptiveThreshold], AdaptiveThreshold]
    ) -> tuple[AdaptiveThreshold, AdaptiveThreshold]:
        """Replaces a partition's state by the result of `change`, and returns both.

        Concurrent changes of several replicas all count. Also raises StoreDown if others were faster every time.
        """
        key = _key(tenant, partition)
        for _ in range(_TRIES):
            stored = await self._guard.command("GET", key) or b""
            before = _watch(stored)
            after = change(before)
            if await self._guard.command("EVAL", _REPLACE, 1, key, stored, json.dumps(astuple(after)), _KEEP_S):
                return before, after
        raise StoreDown

    async def may_audit(self, tenant: str, per_minute: int) -> bool:
        """Takes one of the tenant's audits for this minute; returns whether one was left."""
        key = f"{_PACE}{tenant_digest(tenant)}:{int(time.time() // 60)}"
        taken, _ = await self._guard.transaction((("INCR", key), ("EXPIRE", key, 120)))
        return int(taken) <= per_minute

    async def count(self, tenant: str, model: str, *, is_wrong: bool) -> Audited:
        """Counts an audit; returns the counts of the model alias over all tenants."""
        keys = [_COUNTS + tenant_digest(tenant), _COUNTS + _EVERYBODY]
        counted = await self._guard.transaction(
            ("HINCRBY", key, f"{field}:{model}", count)
            for key in keys
            for field, count in (("audits", 1), ("wrong", int(is_wrong)))
        )
        return Audited(*map(int, counted[2:]))

    async def by_model(self, tenant: str) -> Mapping[str, Audited]:
        """Returns a tenant's counts, by model alias in the order of their names."""
        found = await self._guard.command("HGETALL", _COUNTS + tenant_digest(tenant))
        counts = {name.decode(): int(count) for name, count in found.items()}
        models = sorted(name.removeprefix("audits:") for name in counts if name.startswith("audits:"))
        return {model: Audited(counts[f"audits:{model}"], counts.get(f"wrong:{model}", 0)) for model in models}


def _key(tenant: str, partition: str) -> str:
    return f"{_WATCH}{tenant_digest(tenant)}:{partition}"


def _watch(stored: bytes | None) -> AdaptiveThreshold:
    return AdaptiveThreshold(*json.loads(stored)) if stored else AdaptiveThreshold()
