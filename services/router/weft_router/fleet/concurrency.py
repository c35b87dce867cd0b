"""How many calls a provider accepts, at once and per minute, and where further ones wait.

Tenants take turns, by weight, as they do for slots.
"""

import asyncio
import time
from collections import deque
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass

from weft_kit.joblog import FairQueue

_MINUTE_S = 60.0


class CallCaps:
    """Counts one provider's calls against its limits; None means no limit. Times are of one steady clock."""

    def __init__(self, max_concurrency: int | None, calls_per_minute: int | None) -> None:
        self.max_concurrency = max_concurrency
        self.calls_per_minute = calls_per_minute
        self.in_flight = 0
        self._begun: deque[float] = deque()

    def has_room(self, now: float) -> bool:
        return not self._is_full() and self.rest_s(now) == 0

    def rest_s(self, now: float) -> float:
        """Returns how long until the calls of the last minute allow one more, in seconds."""
        if self.calls_per_minute is None:
            return 0.0
        while self._begun and self._begun[0] <= now - _MINUTE_S:
            self._begun.popleft()
        if len(self._begun) < self.calls_per_minute:
            return 0.0
        return self._begun[-self.calls_per_minute] + _MINUTE_S - now

    def begun(self, now: float) -> None:
        self.in_flight += 1
        if self.calls_per_minute is not None:
            self._begun.append(now)

    def ended(self) -> None:
        self.in_flight -= 1

    def _is_full(self) -> bool:
        return self.max_concurrency is not None and self.in_flight >= self.max_concurrency


_LONGEST_LOOK_S = 1.0


@dataclass(frozen=True, slots=True)
class Waiter:
    """A waiting job: its tenant, its urgency within that tenant (lowest first), and the tokens it may use.

    Those that are `expedited` go before all others.
    """

    tenant: str = ""
    urgency: int = 0
    tokens: int = 1
    expedited: bool = False


_Told = asyncio.Future["ConcurrencyLimit"]


class ConcurrencyLimit:
    """The limit of one provider: counts its calls, and decides which waiting job goes next when one ends."""

    def __init__(self, caps: CallCaps, turns: FairQueue | None = None) -> None:
        self.caps = caps
        self._turns = turns or FairQueue(lambda _: 1.0)
        self._waiting: dict[str, dict[_Told, Waiter]] = {}
        """By tenant, in order of arrival."""

    def entered(self, now: float) -> None:
        self.caps.begun(now)

    def left(self) -> None:
        self.caps.ended()
        self.wake_one()

    def queue(self, waiter: Waiter, told: _Told) -> None:
        self._waiting.setdefault(waiter.tenant, {})[told] = waiter

    def unqueue(self, waiter: Waiter, told: _Told) -> None:
        waiting = self._waiting.get(waiter.tenant, {})
        waiting.pop(told, None)
        if not waiting:
            self._waiting.pop(waiter.tenant, None)

    def wake_one(self) -> None:
        """Tells the next waiting job that there may be capacity."""
        while self._waiting:
            tenant = self._turns.next(self._expedited() or self._waiting)
            told, waiter = min(self._waiting[tenant].items(), key=lambda one: (not one[1].expedited, one[1].urgency))
            self.unqueue(waiter, told)
            if not told.done():
                self._turns.charge(tenant, waiter.tokens)
                told.set_result(self)
                return

    def _expedited(self) -> Collection[str]:
        return {tenant for tenant, those in self._waiting.items() if any(one.expedited for one in those.values())}


async def room_at_any(concurrency_limits: Sequence[ConcurrencyLimit], waiter: Waiter) -> None:
    """Returns when one of them may have capacity for the waiter, or after a second."""
    now = time.monotonic()
    limit_s = min([_LONGEST_LOOK_S, *(rest_s for each in concurrency_limits if (rest_s := each.caps.rest_s(now)))])
    told: _Told = asyncio.get_running_loop().create_future()
    for concurrency_limit in concurrency_limits:
        concurrency_limit.queue(waiter, told)
    try:
        with suppress(TimeoutError):
            async with asyncio.timeout(limit_s):
                await told
    except asyncio.CancelledError:
        if told.done() and not told.cancelled():
            told.result().wake_one()  # a waiter that was woken in vain passes it on
        raise
    finally:
        told.cancel()
        for concurrency_limit in concurrency_limits:
            concurrency_limit.unqueue(waiter, told)
