"""Work that goes on beside a service, and how it ends.

Cancellations that libraries keep to themselves are raised after all: `asyncio.wait_for` before Python 3.12, and so
nats-py, and psycopg's pool return what came in the same moment; one that meets a statement may come out as that
statement's error. A task that is cancelled once only would go on to its end, for a caller who has left, or keep whoever
ended it waiting for ever.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from weft_kit.outages import Outage
from weft_kit.rpc.errors import DependencyDown


def cancellations() -> int:
    """Returns how often the current task was cancelled, to be compared with later."""
    task = asyncio.current_task()
    return task.cancelling() if task else 0


def heed_cancellation(since: int) -> None:
    """Raises CancelledError when the current task was cancelled since `cancellations()` was that."""
    if cancellations() > since:
        raise asyncio.CancelledError


_PAUSE_S = 1.0
_LONGEST_PAUSE_S = 5.0
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
    """Does it again whenever it fails: a log that is away comes back, and an idle worker looks like a healthy one.

    Pauses grow to five seconds while it goes on failing. A dependency that is down is told of by its connection.
    """
    trouble = Outage(f"cannot {what}", f"can {what} again")
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
