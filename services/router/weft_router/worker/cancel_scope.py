"""The cancel scope of a running job: whoever wants it to stop cancels it, and the first reason stands."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from enum import Enum, auto

from weft_router import metrics


class StopReason(Enum):
    """Why a job is stopped."""

    CANCELLED = auto()
    EXPIRED = auto()
    BROKEN = auto()
    """A bug of ours."""
    DRAINING = auto()
    """The worker shuts down; another one may go on."""


class Stopped(Exception):
    """The work was stopped half-way: only the log knows now what was said."""


class CancelScope:
    """Stops what runs under it, at once and down to the provider; once cancelled, it lets nothing begin."""

    def __init__(self) -> None:
        self.why: StopReason | None = None
        self._scope: asyncio.Timeout | None = None
        self._cancelled_at = 0.0

    def cancel(self, why: StopReason) -> None:
        """Stops. A repeat, and a call after the time ran out, do nothing."""
        if self.why is not None or (self._scope is not None and self._scope.expired()):
            return
        self.why, self._cancelled_at = why, time.perf_counter()
        if self._scope is not None:
            self._scope.reschedule(asyncio.get_running_loop().time())

    @asynccontextmanager
    async def guarding(self, limit_s: float) -> AsyncIterator[None]:
        """Runs the block for at most `limit_s`.

        Raises:
            Stopped: the scope was cancelled, or the time ran out; `why` says which.
        """
        if self.why is not None:
            raise Stopped
        scope = self._scope = asyncio.timeout(limit_s)
        try:
            async with scope:
                yield
        except TimeoutError:
            if not scope.expired():
                raise
            self.why = self.why or StopReason.EXPIRED
            raise Stopped from None
        finally:
            self._scope = None
            if self.why is StopReason.CANCELLED:
                metrics.CANCEL_SECONDS.observe(time.perf_counter() - self._cancelled_at)
