"""Where calls wait for room at a provider that is full."""

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress

from weft_router.caps import Caps

_LONGEST_LOOK_S = 1.0


class Turnstile:
    """One provider's: counts who is in, and tells the first who waits when somebody leaves."""

    def __init__(self, caps: Caps) -> None:
        self.caps = caps
        self._waiting: deque[asyncio.Future[Turnstile]] = deque()

    def entered(self, now: float) -> None:
        self.caps.begun(now)

    def left(self) -> None:
        self.caps.ended()
        self.wake_one()

    def queue(self, waiter: "asyncio.Future[Turnstile]") -> None:
        self._waiting.append(waiter)

    def unqueue(self, waiter: "asyncio.Future[Turnstile]") -> None:
        with suppress(ValueError):
            self._waiting.remove(waiter)

    def wake_one(self) -> None:
        """Tell the first who waits that there may be room."""
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(self)
                return


async def room_at_any(turnstiles: Sequence[Turnstile]) -> None:
    """Return when one of them may have room, or after a second."""
    now = time.monotonic()
    limit_s = min([_LONGEST_LOOK_S, *(rest_s for each in turnstiles if (rest_s := each.caps.rest_s(now)))])
    waiter: asyncio.Future[Turnstile] = asyncio.get_running_loop().create_future()
    for turnstile in turnstiles:
        turnstile.queue(waiter)
    try:
        with suppress(TimeoutError):
            async with asyncio.timeout(limit_s):
                await waiter
    except asyncio.CancelledError:
        if waiter.done() and not waiter.cancelled():
            waiter.result().wake_one()  # whoever was told in vain passes it on
        raise
    finally:
        waiter.cancel()
        for turnstile in turnstiles:
            turnstile.unqueue(waiter)
