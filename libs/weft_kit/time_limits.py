"""Limits on a block: by the clock, in the words of whoever set it, or by the time in which the event loop ran.

A process that was busy, or stopped, reads an answer late that came early. By the clock the answer's time would be over,
and whoever gave it would be called slow for our own delay. So a limit is taken in steps: however long the loop was held
up in one of them, it counts as one, and what came meanwhile is read before the next.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

_STEPS = 5


@asynccontextmanager
async def loop_timeout(limit_s: float) -> AsyncIterator[None]:
    """Does what `asyncio.timeout` does, once the loop has run for `limit_s` in the block."""
    loop = asyncio.get_running_loop()
    steps_left = _STEPS
    timer: asyncio.TimerHandle

    def step() -> None:
        nonlocal steps_left, timer
        steps_left -= 1
        if steps_left:
            timer = loop.call_later(limit_s / _STEPS, step)
        else:
            scope.reschedule(loop.time())

    timer = loop.call_later(limit_s / _STEPS, step)
    try:
        async with asyncio.timeout(None) as scope:
            yield
    finally:
        timer.cancel()


@asynccontextmanager
async def time_limit(limit_s: float, late: Exception) -> AsyncIterator[None]:
    """Raises `late` when the block takes longer than `limit_s`; a TimeoutError of the block's own is left as it is."""
    scope = asyncio.timeout(limit_s)
    try:
        async with scope:
            yield
    except TimeoutError:
        if not scope.expired():
            raise
        raise late from None
