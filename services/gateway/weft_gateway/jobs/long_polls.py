"""Calls that wait for an event, and that end in good order when the gateway shuts down."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class LongPolls:
    """Waits in progress. `end` cuts them short, together with all later ones."""

    def __init__(self) -> None:
        self._scopes: set[asyncio.Timeout] = set()
        self._ended = False

    @asynccontextmanager
    async def at_most(self, limit_s: float) -> AsyncIterator[None]:
        """Ends the block after `limit_s`, without an error."""
        scope = asyncio.timeout(0.0 if self._ended else limit_s)
        self._scopes.add(scope)
        try:
            async with scope:
                yield
        except TimeoutError:
            if not scope.expired():
                raise
        finally:
            self._scopes.discard(scope)

    def end(self) -> None:
        self._ended = True
        for scope in self._scopes:
            scope.reschedule(asyncio.get_running_loop().time())
