"""A limit on a block, told in the words of whoever set it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


@asynccontextmanager
async def time_limit(limit_s: float, late: Exception) -> AsyncIterator[None]:
    """Raises `late` when the block takes longer than `limit_s`; a TimeoutError of the block's own is left as it is."""
    scope = asyncio.timeout(limit_s)
    try:
        async with scope:
            yield
    except TimeoutError:
        if not scope.expired():
            raise
        raise late from None
