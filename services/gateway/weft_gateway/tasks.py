"""Work that runs beside the server and must not end with its first mishap."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import TypeVar

import stamina

from weft_kit.outages import Outage
from weft_kit.rpc.errors import DependencyDown
from weft_kit.tasks import background

Result = TypeVar("Result")


@asynccontextmanager
async def running(
    name: str, work: Callable[[], Awaitable[None]], *, longest_wait_s: float = 5.0
) -> AsyncIterator[None]:
    """Runs `work` while the context lasts, again after a wait when it fails."""
    async with background(_again_and_again(name, work, longest_wait_s), name):
        yield


async def _again_and_again(name: str, work: Callable[[], Awaitable[None]], longest_wait_s: float) -> None:
    trouble = Outage("task failed and starts again", "task runs again", task=name)
    async for attempt in stamina.retry_context(Exception, attempts=None, timeout=None, wait_max=longest_wait_s):
        with attempt:
            try:
                await work()
            except DependencyDown:
                raise
            except Exception as error:
                trouble.failed(error, exc_info=error)
                raise


class Background:
    """Work that nobody waits for where it starts."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, work: Coroutine[object, object, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        # The loop holds tasks weakly.
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def finish(self) -> None:
        """Waits for what is under way."""
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def drop(self) -> None:
        """Ends what is under way."""
        for task in self._tasks:
            task.cancel()
        await self.finish()


async def unbroken(work: Coroutine[object, object, Result]) -> Result:
    """Awaits work that must not stop half-way: a cancellation is passed on when it is through."""
    task = asyncio.create_task(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await task
        raise
