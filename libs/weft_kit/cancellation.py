"""Cancellations that libraries keep to themselves, raised after all.

`asyncio.wait_for` before Python 3.12, and so nats-py, and psycopg's pool return what came in the same moment; one that
meets a statement may come out as that statement's error. A task that is cancelled once only would go on to its end, for
a caller who has left, or keep whoever ended it waiting for ever.
"""

import asyncio


def cancellations() -> int:
    """Returns how often the current task was cancelled, to be compared with later."""
    task = asyncio.current_task()
    return task.cancelling() if task else 0


def heed_cancellation(since: int) -> None:
    """Raises CancelledError when the current task was cancelled since `cancellations()` was that."""
    if cancellations() > since:
        raise asyncio.CancelledError
