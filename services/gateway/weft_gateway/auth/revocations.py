"""Ends open calls whose key is revoked: one query about all keys in use finds them."""

import asyncio
from collections.abc import Awaitable, Callable, Collection
from typing import Final

import structlog
from prometheus_client import Counter

from weft_gateway.auth.key_cache import KeyCache
from weft_gateway.auth.keys import revoked
from weft_kit.rpc.running_calls import RunningCalls

ENDED = Counter("weft_gateway_revoked_keys_in_use", "Keys found revoked while calls with them were open.")

# The last check before a revocation may have been just before it.
_LOOKS: Final = 2


class Revocations:
    """Ends the calls of keys that were revoked, or deleted with their tenant, within `fresh_s`.

    `good` returns those of the given keys that are still valid. While it raises DependencyDown no call is ended.
    """

    def __init__(
        self,
        calls: RunningCalls,
        good: Callable[[Collection[str]], Awaitable[set[str]]],
        key_cache: KeyCache,
        *,
        fresh_s: float,
    ) -> None:
        self._calls = calls
        self._good = good
        self._key_cache = key_cache
        self._wait_s = fresh_s / _LOOKS

    async def watch(self) -> None:
        """Runs for ever."""
        while True:
            await asyncio.sleep(self._wait_s)
            if in_use := self._calls.key_ids():
                for key_id in in_use - await self._good(in_use):
                    self._end(key_id)

    def _end(self, key_id: str) -> None:
        # Forgotten first, so that no call begins after the open ones have ended.
        self._key_cache.forget(key_id)
        self._calls.end_those_of(key_id, revoked(key_id))
        ENDED.inc()
        structlog.get_logger().info("calls of a revoked key ended", key_id=key_id)
