"""How long to go on asking while gateways restart, and how long to wait in between."""

import asyncio
import random

import grpc

from weft.common.v1 import error_pb2
from weft_kit.errors import WeftError

_FIRST_CEILING_S = 0.2
_LAST_CEILING_S = 2.0


class Patience:
    """Bears with UNAVAILABLE, and with nothing else, for `limit_s` from the first failure in a row.

    Waits have full jitter: any part of a ceiling that doubles, so that callers who were cut off together do not come
    back together. What the server asks for comes on top. Source: AWS, "Exponential Backoff and Jitter".
    """

    def __init__(self, limit_s: float) -> None:
        self._limit_s = limit_s
        self.heard()

    def heard(self) -> None:
        """Starts over: somebody answered."""
        self._until: float | None = None
        self._ceiling_s = _FIRST_CEILING_S

    def wait_s(self, failure: WeftError, now: float) -> float | None:
        """Returns how long to wait before another try, in seconds; None when there should be none."""
        if not is_unavailable(failure):
            return None
        if self._until is None:
            self._until = now + self._limit_s
        wait_s = _asked_for_s(failure) + random.uniform(0, self._ceiling_s)  # noqa: S311 - spreads callers, hides nothing
        self._ceiling_s = min(2 * self._ceiling_s, _LAST_CEILING_S)
        return wait_s if now + wait_s <= self._until else None

    async def outlast(self, failure: WeftError) -> None:
        """Waits until another try is due; raises the failure when there should be none."""
        wait_s = self.wait_s(failure, asyncio.get_running_loop().time())
        if wait_s is None:
            raise failure
        await asyncio.sleep(wait_s)


def is_unavailable(failure: WeftError) -> bool:
    """Tells whether another try may work."""
    return failure.status is grpc.StatusCode.UNAVAILABLE


def is_silence(failure: WeftError) -> bool:
    """Tells whether no gateway said this: nothing answers, or the connection broke."""
    return failure.reason == error_pb2.ERROR_REASON_DEPENDENCY_DOWN and failure.metadata.get("dependency") == "gateway"


def _asked_for_s(failure: WeftError) -> float:
    return 0.0 if is_silence(failure) else failure.retry_after_s or 0.0
