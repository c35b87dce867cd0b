"""The end of background work that would go on for ever."""

import asyncio
from typing import Any

_ASK_AGAIN_S = 1.0


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
