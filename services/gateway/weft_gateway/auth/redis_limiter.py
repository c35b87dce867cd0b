"""Rate limits shared by all replicas, in Redis.

The limiter batches by itself, as the job log does: while one round trip is in progress the next calls are collected,
and the next round trip decides them all. A busy gateway runs one small script per millisecond, not one per call.
"""

import asyncio
import time
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Final, Literal

from prometheus_client import Counter
from redis.asyncio import Redis

from weft_gateway.auth.gcra import RateLimit, RateRefusal
from weft_gateway.auth.local_limiter import LocalLimiter
from weft_kit.outages import Outage
from weft_kit.rpc.errors import DependencyDown, WeftError
from weft_kit.stores.optional import OptionalStore, StoreAway

DECIDED = Counter("weft_gateway_rate_decisions", "Calls admitted or refused.", ["by", "outcome"])
_decided: Final = cache(DECIDED.labels)

_SCRIPT: Final = (Path(__file__).parent / "gcra.lua").read_text(encoding="utf-8")
_PREFIX: Final = "weft:rate:"
_LARGEST_BATCH: Final = 256

Fallback = Literal["local", "closed"]
"""How calls are limited without Redis: by this process alone, or not admitted at all, so that no call passes
uncounted."""

_Waiting = tuple[Sequence[RateLimit], "asyncio.Future[WeftError | None]"]


class RedisLimiter:
    """Decides by counters in Redis.

    If Redis does not answer within `limit_s`, the fallback decides; after three times in a row Redis is not called for
    `rest_s`.
    """

    def __init__(
        self, redis: Redis, *, fallback: Fallback = "local", limit_s: float = 0.05, rest_s: float = 1.0
    ) -> None:
        self._script = redis.register_script(_SCRIPT)
        self._fallback = fallback
        self._local = LocalLimiter()
        self._waiting: list[_Waiting] = []
        self._round_trip: asyncio.Task[None] | None = None
        outage = Outage(
            "rate limits without redis: it does not answer", "rate limits are in redis again", decided=fallback
        )
        # Whatever is wrong with Redis, the waiting calls must continue: any error is a failure.
        self._store = OptionalStore(limit_s=limit_s, rest_s=rest_s, outage=outage)

    async def admit(self, limits: Sequence[RateLimit]) -> None:
        """Returns once a call may pass; raises Exhausted if it would break one of its limits.

        Raises DependencyDown without Redis, when that is what the fallback says.
        """
        if not limits:
            return
        if not self._store.allows():
            refusal = self._decide_alone(limits)
        else:
            refusal = await self._decide_together(limits)
        if refusal:
            raise refusal

    async def _decide_together(self, limits: Sequence[RateLimit]) -> WeftError | None:
        decision: asyncio.Future[WeftError | None] = asyncio.get_running_loop().create_future()
        self._waiting.append((limits, decision))
        if self._round_trip is None:
            self._round_trip = asyncio.create_task(self._round_trips())
        return await decision

    async def _round_trips(self) -> None:
        try:
            while self._waiting:
                batch, self._waiting = self._waiting[:_LARGEST_BATCH], self._waiting[_LARGEST_BATCH:]
                for (_, decision), refusal in zip(
                    batch, await self._decide([limits for limits, _ in batch]), strict=True
                ):
                    if not decision.done():
                        decision.set_result(refusal)
        finally:
            self._round_trip = None

    async def _decide(self, calls: Sequence[Sequence[RateLimit]]) -> list[WeftError | None]:
        keys = [_PREFIX + limit.id for limits in calls for limit in limits]
        args: list[int] = []
        for limits in calls:
            args.append(len(limits))
            for limit in limits:
                args += (limit.rate.interval_us, limit.rate.tolerance_us, limit.calls)
        try:
            async with self._store.exchange():
                answer: list[int] = await self._script(keys, args)
        except StoreAway:
            return [self._decide_alone(limits) for limits in calls]
        return [_read(limits, *answer[2 * i : 2 * i + 2]) for i, limits in enumerate(calls)]

    def _decide_alone(self, limits: Sequence[RateLimit]) -> WeftError | None:
        if self._fallback == "closed":
            _decided("closed", "refused").inc()
            message = "calls cannot be counted without redis, and none may pass uncounted; wait, then retry"
            return DependencyDown("redis", message, retry_after_s=self._store.rest_s)
        refusal = self._local.admit(limits, time.monotonic_ns() // 1000)
        _decided("local", "refused" if refusal else "admitted").inc()
        return refusal.error() if refusal else None


def _read(limits: Sequence[RateLimit], wait_us: int, which: int) -> WeftError | None:
    _decided("redis", "refused" if which else "admitted").inc()
    return RateRefusal(limits[which - 1], wait_us).error() if which else None
