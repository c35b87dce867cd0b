"""Breaker states shared by replicas through Redis: a replica whose breaker opens announces it until it would close.

Without Redis each replica finds out for itself.
"""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from redis.asyncio import Redis
from redis.exceptions import RedisError

from weft_kit.outages import Outage
from weft_kit.tasks import background
from weft_router.fleet.registry import Registry

_POLL_S = 0.5
_PREFIX = "weft:breaker"


class SharedBreakers:
    """Announces breakers that opened here, and opens those that opened elsewhere."""

    def __init__(self, redis: Redis, registry: Callable[[], Registry]) -> None:
        self._redis = redis
        self._registry = registry
        self._id = secrets.token_hex(8)
        self._told: dict[str, int] = {}

    @asynccontextmanager
    async def sharing(self) -> AsyncIterator[None]:
        """Shares while the context lasts."""
        async with background(self._share()):
            yield

    async def _share(self) -> None:
        outage = Outage("breakers are not shared without redis", "breakers are shared again")
        while True:
            try:
                await self.exchange()
                outage.ended()
            except (RedisError, OSError, TimeoutError) as error:
                outage.failed(error)
            await asyncio.sleep(_POLL_S)

    async def exchange(self) -> None:
        """Announces and reads once. Raises RedisError, OSError or TimeoutError."""
        now = time.monotonic()
        breakers = {
            f"{_PREFIX}:{provider}:{model}": health.breaker for provider, model, health in self._registry().healths()
        }
        if not breakers:
            return
        async with self._redis.pipeline(transaction=False) as commands:
            for key, breaker in breakers.items():
                if breaker.times_opened != self._told.get(key, 0) and (left_s := breaker.open_for_s(now)) > 0:
                    commands.set(key, self._id, px=max(1, round(left_s * 1000)))
                self._told[key] = breaker.times_opened
            for key in breakers:
                commands.get(key)
                commands.pttl(key)
            answers = (await commands.execute())[-2 * len(breakers) :]
        for breaker, teller, left_ms in zip(breakers.values(), answers[::2], answers[1::2], strict=True):
            if teller is not None and teller != self._id.encode() and left_ms > 0:
                breaker.opened_elsewhere(left_ms / 1000, now)
