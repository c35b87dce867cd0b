"""Time limits on a block: by the clock, with an error of one's own, or by the time in which the event loop ran.

A process that was busy, or stopped, reads an answer late that arrived in time. By the clock its time would be over, and
its sender would be blamed for our delay. So `loop_timeout` counts in steps: a step is one step, however long the loop
was held up in it, and what arrived meanwhile is read before the next one.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

_STEPS = 5


@asynccontextmanager
async def loop_timeout(limit_s: float) -> AsyncIterator[None]:
    """Ends the block like `asyncio.timeout`, but only once the loop has run for `limit_s`."""
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
async def time_limit(limit_s: float, late: Callable[[], Exception]) -> AsyncIterator[None]:
    """Raises the error that `late` makes if the block takes longer than `limit_s`.

    A TimeoutError of the block's own is left as it is.
    """
    scope = asyncio.timeout(limit_s)
    try:
        async with scope:
            yield
    except TimeoutError:
        if not scope.expired():
            raise
        raise late() from None
