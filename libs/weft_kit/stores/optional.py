"""A store that a service can do without: each exchange has a short limit, and after failures it is left alone."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from weft_kit.breaker import Breaker
from weft_kit.outages import Outage
from weft_kit.time_limits import loop_timeout

_FAILURES_IN_A_ROW = 3


class StoreAway(Exception):
    """The store failed or did not answer in time; whether it did what was asked is not known."""


class OptionalStore:
    """Limits each exchange to `limit_s`, and keeps callers away for `rest_s` after three failures in a row.

    `outage` logs when the store fails and when it works again. Errors that are not among `failures` are raised as they
    are, and do not count against the store.
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
        """Returns whether to ask now. After a rest one caller may try, while others stay away for another rest."""
        return self._breaker.allows(time.monotonic())

    @asynccontextmanager
    async def exchange(self, limit_s: float | None = None) -> AsyncIterator[None]:
        """Runs an exchange in the block and notes whether it worked; `limit_s` replaces the usual limit.

        Raises:
            StoreAway: it failed, or took too long.
        """
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
