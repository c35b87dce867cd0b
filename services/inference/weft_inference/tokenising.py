"""Texts into tokens: beside the event loop, or in it where that is sooner."""

import asyncio
from collections.abc import Callable
from typing import Final, TypeVar

T = TypeVar("T")

_WORTH_A_THREAD_CHARACTERS: Final = 1_000
"""So many take about a millisecond. A question takes a tenth of that, and going to a thread and back twice as long."""


async def tokenised(read: Callable[[], T], characters: int) -> T:
    """Returns what `read` makes of so many characters; many are read in a thread, so that nobody else has to wait."""
    if characters < _WORTH_A_THREAD_CHARACTERS:
        return read()
    return await asyncio.to_thread(read)
