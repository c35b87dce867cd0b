"""How long a call may wait for the log, over all of its requests to it."""

from contextlib import AbstractAsyncContextManager

from weft_kit.rpc.errors import DependencyDown
from weft_kit.time_limits import time_limit


def log_limit(limit_s: float) -> AbstractAsyncContextManager[None]:
    """Gives the block `limit_s` in all, since each request to a log that is down waits that long by itself.

    Raises DependencyDown when that was not enough.
    """
    return time_limit(limit_s, _log_away)


def _log_away() -> DependencyDown:
    return DependencyDown("nats", "the log does not answer; a write may or may not be stored; retry")
