"""Work that runs beside the server and must not end with its first mishap."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import stamina
import structlog

from weft_kit.errors import DependencyDown


@asynccontextmanager
async def running(
    name: str, work: Callable[[], Awaitable[None]], *, longest_wait_s: float = 5.0
) -> AsyncIterator[None]:
    """Runs `work` while the context lasts, again after a wait when it fails."""
    task = asyncio.create_task(_again_and_again(name, work, longest_wait_s), name=name)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait((task,))


async def _again_and_again(name: str, work: Callable[[], Awaitable[None]], longest_wait_s: float) -> None:
    log = structlog.get_logger()
    async for attempt in stamina.retry_context(Exception, attempts=None, timeout=None, wait_max=longest_wait_s):
        with attempt:
            try:
                await work()
            except DependencyDown:
                raise
            except Exception:
                log.exception("task failed and starts again", task=name)
                raise
