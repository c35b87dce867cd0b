"""Whether this process and the log agree on the time, since every worker decides by it whether a job has expired."""

import asyncio
import time
from collections.abc import Callable

from weft_kit.rpc.errors import DependencyDown

TOLERANCE_S = 5.0
_RETRY_S = 5.0


def ahead_s(asked: float, log_time: float, answered: float) -> float:
    """Returns at least how far our clock is ahead of the log's: negative when behind, 0 when they may agree.

    The log took its time between question and answer, so a slow answer is not mistaken for a wrong clock.
    """
    return max(0.0, asked - log_time) or min(0.0, answered - log_time)


class LogClock:
    """Compares our clock with the log's, and knows whether it was more than 5 s off. Right until it was compared."""

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self.now = now
        """Our time, in seconds since 1970."""
        self._ahead_s = 0.0
        self._right, self._wrong = asyncio.Event(), asyncio.Event()
        self._right.set()

    def compare(self, asked: float, log_time: float) -> None:
        """Compares with the time in the log's reply just received, to a request sent when our clock said `asked`."""
        self._ahead_s = ahead_s(asked, log_time, self.now())
        is_wrong = abs(self._ahead_s) > TOLERANCE_S
        now_so, no_more = (self._wrong, self._right) if is_wrong else (self._right, self._wrong)
        now_so.set()
        no_more.clear()

    def check(self) -> None:
        """Raises DependencyDown while the clock is wrong."""
        if self._wrong.is_set():
            direction = "ahead of" if self._ahead_s > 0 else "behind"
            message = (
                f"this replica's clock is {abs(self._ahead_s):,.1f} s {direction} nats-server's, and jobs expire by it:"
                " set the wrong one right (NTP); until then retry, another replica may take it"
            )
            raise DependencyDown("clock", message, _RETRY_S)

    async def until_right(self) -> None:
        await self._right.wait()

    async def until_wrong(self) -> None:
        await self._wrong.wait()
