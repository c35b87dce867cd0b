"""How long a call may wait for the log, with everything it asks of it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from weft_kit.errors import DependencyDown


@asynccontextmanager
async def log_limit(limit_s: float) -> AsyncIterator[None]:
    """Gives the block `limit_s` in all: each request to a log that is away waits as long by itself.

    Raises DependencyDown when that was not enough.
    """
    scope = asyncio.timeout(limit_s)
    try:
        async with scope:
            yield
    except TimeoutError:
        if not scope.expired():
            raise
        raise DependencyDown("nats", "the log does not answer; a write may or may not be stored; retry") from None
