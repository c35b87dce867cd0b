"""Waiting for what no event announces, never longer than said."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")

_LOOK_EVERY_S = 0.01


async def until(what: str, look: Callable[[], Awaitable[T | None] | T | None], within_s: float = 15.0) -> T:
    """Returns the first true value that `look` gives; fails, naming `what`, when none comes in time."""
    found: T | None = None
    try:
        async with asyncio.timeout(within_s):
            while not (found := await _looked(look)):  # noqa: ASYNC110 - what is looked at has no event to wait for
                await asyncio.sleep(_LOOK_EVERY_S)
            return found
    except TimeoutError:
        message = f"waited {within_s:g} s for: {what}; the last look gave {found!r}"
        raise AssertionError(message) from None


async def until_it_succeeds(
    what: str, call: Callable[[], Awaitable[T]], failure: type[Exception], within_s: float = 20.0
) -> T:
    """Makes a call again while it fails in one way, and returns what it gives in the end."""

    async def made() -> tuple[T] | None:
        try:
            # In a tuple, since a call may give what is not true.
            return (await call(),)
        except failure:
            return None

    return (await until(what, made, within_s))[0]


async def _looked(look: Callable[[], Awaitable[T | None] | T | None]) -> T | None:
    found = look()
    return await found if inspect.isawaitable(found) else found
