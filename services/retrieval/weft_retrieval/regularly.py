"""Small duties in the background, done again after a pause, and after a longer one when they fail."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from weft_kit.outages import Outage
from weft_kit.rpc.errors import WeftError
from weft_kit.tasks import background

_LONGEST_PAUSE_S = 30.0


@asynccontextmanager
async def regularly(what: str, do: Callable[[], Awaitable[int]], every_s: float) -> AsyncIterator[None]:
    """Does something while the context lasts: at once again as long as it finds work, else every so many seconds."""
    async with background(_again_and_again(what, do, every_s)):
        yield


async def _again_and_again(what: str, do: Callable[[], Awaitable[int]], every_s: float) -> None:
    pause_s = every_s
    trouble = Outage(f"cannot {what}", f"can {what} again")
    while True:
        try:
            pause_s = 0.0 if await do() else every_s
            trouble.ended()
        except Exception as error:  # noqa: BLE001  # nobody would start it again
            pause_s = min(max(2 * pause_s, every_s), max(_LONGEST_PAUSE_S, every_s))
            trouble.failed(error, exc_info=None if isinstance(error, WeftError) else error)
        await asyncio.sleep(pause_s)
