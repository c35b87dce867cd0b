"""Waiting for what no event announces, never longer than said."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")

_LOOK_EVERY_S = 0.02


async def until(what: str, look: Callable[[], Awaitable[T | None]], within_s: float = 15.0) -> T:
    """Returns the first true value that `look` gives; fails, naming `what`, when none comes in time."""
    found: T | None = None
    try:
        async with asyncio.timeout(within_s):
            while not (found := await look()):  # noqa: ASYNC110 - what is looked at has no event to wait for
                await asyncio.sleep(_LOOK_EVERY_S)
            return found
    except TimeoutError:
        message = f"waited {within_s:g} s for: {what}; the last look gave {found!r}"
        raise AssertionError(message) from None
