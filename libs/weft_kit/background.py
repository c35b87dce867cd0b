"""Work that goes on beside a service, and how it ends."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import structlog

_PAUSE_S = 1.0
_ASK_AGAIN_S = 1.0


@asynccontextmanager
async def background(work: Coroutine[Any, Any, None], name: str | None = None) -> AsyncIterator[None]:
    """Runs `work` while the context lasts; leaving it cancels the work and returns once that is over."""
    task = asyncio.create_task(work, name=name)
    try:
        yield
    finally:
        await ended(task)


async def for_ever(what: str, do: Callable[[], Awaitable[None]]) -> None:
    """Does it again whenever it fails: a log that is away comes back, and an idle worker looks like a healthy one."""
    while True:
        try:
            await do()
        except Exception:  # noqa: BLE001
            structlog.get_logger().exception(f"cannot {what}")
        await asyncio.sleep(_PAUSE_S)


async def ended(*tasks: "asyncio.Task[Any]") -> None:
    """Cancels tasks and returns once they are over, whatever they end with.

    A cancellation can be lost: `asyncio.wait_for` (before Python 3.12) and psycopg's pool return what came at the same
    moment instead, and a loop around them goes on. So whoever is not over after a second is asked again.
    """
    pending = set(tasks)
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=_ASK_AGAIN_S)
