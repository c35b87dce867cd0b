"""How long to retry without a sign of life from a gateway, and how long to wait between attempts."""

import asyncio
import random

import grpc

from weft.common.v1 import error_pb2
from weft_kit.rpc.errors import DependencyDown, Unavailable, WeftError

_FIRST_CEILING_S = 0.2
_LAST_CEILING_S = 2.0
# The least time of an attempt, however little patience is left: under load no gateway answers sooner.
_SHORTEST_TRY_S = 1.0


class OutOfPatience(Unavailable):
    """No gateway answered properly within the caller's patience; `__cause__` is the last attempt's error."""

    def __init__(self, last: WeftError, endpoint: str, waited_s: float) -> None:
        gateway = f"the gateway at {endpoint}" if endpoint else "the gateway"
        if is_silence(last):
            message = f"no answer from {gateway} for {waited_s:.0f} s; see whether it runs (`weft status`) and its log"
        else:
            after = f"after {waited_s:.0f} s " if waited_s >= 1 else ""
            message = f"{after}{gateway} says: {last.message}"
            if dependency := last.metadata.get("dependency"):
                message += f"; see whether {dependency} runs (`weft status`)"
        super().__init__(last.reason, message, retry_after_s=last.retry_after_s, metadata=last.metadata)


class Patience:
    """Tolerates UNAVAILABLE and silence, and nothing else, for `limit_s` from the last sign of life.

    Waits between attempts have full jitter: a random part of a limit that doubles, so that callers cut off at the same
    time do not come back at the same time. The wait that the server asked for is added. Source: AWS, "Exponential
    Backoff and Jitter".
    """

    def __init__(self, limit_s: float, endpoint: str = "") -> None:
        self._limit_s = limit_s
        self._endpoint = endpoint
        self.heard()

    def heard(self) -> None:
        """Restarts the time, because a gateway answered."""
        self._since: float | None = None
        self._said: WeftError | None = None
        self._ceiling_s = _FIRST_CEILING_S

    def try_s(self, now: float) -> float:
        """Returns how long the attempt that begins now may stay unanswered; the first one starts the time."""
        return max(_SHORTEST_TRY_S, self._limit_s - self._waited_s(now))

    def wait_s(self, failure: WeftError, now: float) -> float | None:
        """Returns how long to wait before another attempt, in seconds; None if there should be none."""
        if not is_unavailable(failure):
            return None
        if not is_silence(failure):
            self._said = failure
        asked_s = _asked_for_s(failure)
        left_s = self._limit_s - self._waited_s(now) - asked_s
        if left_s <= 0:
            return None
        jitter_s = random.uniform(0, self._ceiling_s)  # noqa: S311 - spreads callers, hides nothing
        self._ceiling_s = min(2 * self._ceiling_s, _LAST_CEILING_S)
        return asked_s + min(jitter_s, left_s)

    async def outlast(self, failure: WeftError) -> None:
        """Waits until another attempt is due.

        Raises:
            OutOfPatience: there should be none, after tolerated failures.
            WeftError: the failure is not tolerated.
        """
        now = asyncio.get_running_loop().time()
        wait_s = self.wait_s(failure, now)
        if wait_s is not None:
            await asyncio.sleep(wait_s)
        elif is_unavailable(failure):
            # The last attempt may have been cut short: an earlier error from a gateway says more than its silence.
            failure = self._said or failure
            raise OutOfPatience(failure, self._endpoint, self._waited_s(now)) from failure
        else:
            raise failure

    def _waited_s(self, now: float) -> float:
        if self._since is None:
            self._since = now
        return now - self._since


def silent() -> DependencyDown:
    """Returns the error for a gateway that accepts a call but does not answer."""
    return DependencyDown("gateway", "gateway takes calls and does not answer; see whether it runs, and retry")


def is_unavailable(failure: WeftError) -> bool:
    """Returns whether another attempt may succeed."""
    return failure.status is grpc.StatusCode.UNAVAILABLE


def is_silence(failure: WeftError) -> bool:
    """Returns whether no gateway sent this error: nothing answers, or the connection broke."""
    return failure.reason == error_pb2.ERROR_REASON_DEPENDENCY_DOWN and failure.metadata.get("dependency") == "gateway"


def _asked_for_s(failure: WeftError) -> float:
    return 0.0 if is_silence(failure) else failure.retry_after_s or 0.0
