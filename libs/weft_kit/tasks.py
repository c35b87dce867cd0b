"""Background work, and how it ends.

Some libraries swallow cancellations: `asyncio.wait_for` before Python 3.12, and so nats-py, and psycopg's pool return a
result that arrives at the same moment, and a cancelled statement may raise its own error instead. A task cancelled only
once would then run to its end for a caller that has left, or keep the one that cancels it waiting for ever. So such
cancellations are raised after all, or repeated.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable
from contextlib import asynccontextmanager
from time import monotonic
from typing import Any, TypeVar

from weft_kit.outages import Outage
from weft_kit.rpc.errors import DependencyDown, WeftError

Result = TypeVar("Result")

_PAUSE_S = 1.0
_LONGEST_PAUSE_S = 5.0
_LONGEST_IDLE_S = 30.0
_ASK_AGAIN_S = 1.0
_REST = 2.0


def cancellations() -> int:
    """Returns how often the current task was cancelled, for `heed_cancellation` to compare with later."""
    task = asyncio.current_task()
    return task.cancelling() if task else 0


def heed_cancellation(since: int) -> None:
    """Raises CancelledError if the current task was cancelled after `cancellations()` returned `since`."""
    if cancellations() > since:
        raise asyncio.CancelledError


class LoopShare:
    """Shares the event loop with long work, done in steps: after each there is a pause of twice its length.

    A single turn for other tasks would not be enough: a call needs the loop again and again, and would wait for a step
    each time.
    """

    def __init__(self) -> None:
        self._began = monotonic()

    async def pause(self) -> None:
        """Ends a step; returns when the next one may begin."""
        await asyncio.sleep(_REST * (monotonic() - self._began))
        self._began = monotonic()


@asynccontextmanager
async def background(work: Coroutine[Any, Any, None], name: str | None = None) -> AsyncIterator[None]:
    """Runs `work` while the context lasts; leaving it cancels the work and waits for its end."""
    task = asyncio.create_task(work, name=name)
    try:
        yield
    finally:
        await ended(task)


@asynccontextmanager
async def running(name: str, work: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
    """Runs `work` while the context lasts, and starts it again after a pause whenever it ends, like `for_ever`."""
    trouble = Outage("task failed and starts again", "task runs again", task=name)
    async with background(_repeated(work, trouble), name):
        yield


async def for_ever(what: str, do: Callable[[], Awaitable[None]]) -> None:
    """Repeats `do`, even when it fails: a log that is down comes back, and a worker that stopped would go unnoticed.

    Pauses grow to five seconds while it keeps failing. A dependency that is down is logged by its connection.
    """
    await _repeated(do, Outage(f"cannot {what}", f"can {what} again"))


async def _repeated(do: Callable[[], Awaitable[None]], trouble: Outage) -> None:
    loop, pause_s = asyncio.get_running_loop(), _PAUSE_S
    while True:
        began = loop.time()
        try:
            await do()
        except Exception as error:  # noqa: BLE001
            if loop.time() - began > _LONGEST_PAUSE_S:
                trouble.ended()
                pause_s = _PAUSE_S
            if not isinstance(error, DependencyDown):
                trouble.failed(error, exc_info=error)
        else:
            trouble.ended()
            pause_s = _PAUSE_S
        await asyncio.sleep(random.uniform(0.5, 1) * pause_s)  # noqa: S311  # jitter
        pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)


@asynccontextmanager
async def regularly(what: str, do: Callable[[], Awaitable[int]], every_s: float) -> AsyncIterator[None]:
    """Repeats `do` while the context lasts: at once while it finds work, otherwise every `every_s` seconds.

    Pauses grow to 30 seconds while it keeps failing.
    """
    async with background(_polled(what, do, every_s)):
        yield


async def _polled(what: str, do: Callable[[], Awaitable[int]], every_s: float) -> None:
    pause_s = every_s
    trouble = Outage(f"cannot {what}", f"can {what} again")
    while True:
        try:
            pause_s = 0.0 if await do() else every_s
            trouble.ended()
        except Exception as error:  # noqa: BLE001  # nobody would start it again
            pause_s = min(max(2 * pause_s, every_s), max(_LONGEST_IDLE_S, every_s))
            trouble.failed(error, exc_info=None if isinstance(error, WeftError) else error)
        await asyncio.sleep(pause_s)


async def ended(*tasks: "asyncio.Task[Any]") -> None:
    """Cancels tasks and returns once they have ended, in whatever way.

    A cancellation can be lost (see above), and a loop would go on. So tasks that have not ended are cancelled again
    every second.
    """
    pending = set(tasks)
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=_ASK_AGAIN_S)


class TaskSet:
    """Tasks that are not awaited where they are started."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._tasks)

    def start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        # The loop holds tasks weakly.
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def wait(self, limit_s: float | None = None) -> None:
        """Waits for the tasks, at most `limit_s`; they go on if this is cancelled."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=limit_s)

    async def finish(self) -> None:
        """Waits for the tasks; cancels them if this is cancelled."""
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def cancel(self) -> None:
        """Cancels the tasks, without waiting for their end."""
        for task in self._tasks:
            task.cancel()

    async def drop(self) -> None:
        """Cancels the tasks and waits for their end."""
        self.cancel()
        await self.finish()


async def unbroken(work: Coroutine[Any, Any, Result]) -> Result:
    """Awaits work that must not stop half-way: a cancellation takes effect only when the work is done."""
    task = asyncio.create_task(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await task
        raise


async def together(jobs: Iterable[Coroutine[Any, Any, Result]]) -> list[Result]:
    """Runs all jobs at once and returns their results in order. The first failure ends the rest, and is raised."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(job) for job in jobs]
    except ExceptionGroup as failures:
        # The interceptor knows single errors, not groups.
        raise failures.exceptions[0] from None
    return [task.result() for task in tasks]
