"""A store that one can do without: asked for a short time each, and left alone for a moment where it fails."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from weft_kit.breaker import Breaker
from weft_kit.outages import Outage
from weft_kit.time_limits import loop_timeout

_FAILURES_IN_A_ROW = 3


class StoreAway(Exception):
    """The store did not do what was asked in time; whether it will is not known."""


class OptionalStore:
    """Gives every exchange `limit_s`, and keeps callers away for `rest_s` after three that failed in a row.

    `outage` logs that the store fails and works again. Errors that are none of the `failures` pass as they are, and
    say nothing of the store.
    """

    def __init__(
        self,
        *,
        limit_s: float,
        rest_s: float,
        outage: Outage | None = None,
        failures: tuple[type[Exception], ...] = (Exception,),
    ) -> None:
        self.limit_s = limit_s
        self.rest_s = rest_s
        self._outage = outage
        self._failures = failures
        self._breaker = Breaker(threshold=_FAILURES_IN_A_ROW, rest_s=rest_s)

    def allows(self) -> bool:
        """Returns whether to ask now. Allowing a trial keeps others away for another rest."""
        return self._breaker.allows(time.monotonic())

    @asynccontextmanager
    async def exchange(self, limit_s: float | None = None) -> AsyncIterator[None]:
        """Asks in the block, for `limit_s` where that is given, and remembers how it went. Raises StoreAway."""
        try:
            async with loop_timeout(self.limit_s if limit_s is None else limit_s):
                yield
        except self._failures as error:
            self._breaker.failed(time.monotonic())
            if self._outage:
                self._outage.failed(error)
            raise StoreAway from error
        self._breaker.succeeded()
        if self._outage:
            self._outage.ended()
