"""Time limits on a block: by the clock, with an error of one's own, or by the time in which the event loop ran.

A process that was busy, or stopped, reads an answer late that arrived in time. By the clock its time would be over, and
its sender would be blamed for our delay. So `loop_timeout` counts in steps: a step is one step, however long the loop
was held up in it, and what arrived meanwhile is read before the next one.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from types import TracebackType

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


def time_limit(limit_s: float, late: Callable[[], Exception]) -> AbstractAsyncContextManager[None]:
    """Raises the error that `late` makes if the block takes longer than `limit_s`.

    A TimeoutError of the block's own is left as it is.
    """
    return _TimeLimit(limit_s, late)


class _TimeLimit:
    """A class, because every job has one: a generator's context takes two microseconds more."""

    def __init__(self, limit_s: float, late: Callable[[], Exception]) -> None:
        self._scope = asyncio.timeout(limit_s)
        self._late = late

    async def __aenter__(self) -> None:
        await self._scope.__aenter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            await self._scope.__aexit__(kind, error, trace)
            is_late = isinstance(error, TimeoutError) and self._scope.expired()
        except TimeoutError:
            is_late = True
        if is_late:
            raise self._late() from None
