"""Retries what may succeed later; any other failure ends the document, or the job."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from enum import Enum, auto
from typing import TypeVar

import grpc
import structlog

from weft_kit.rpc.errors import WeftError

T = TypeVar("T")
_FIRST_CEILING_S = 0.2
_LAST_CEILING_S = 5.0

SUSPECT_READINGS = 2
"""After this many attempts were lost while they held a document, it is tried alone."""
MAX_READINGS = 5
"""After this many it is not tried any more."""

_PASSING = {
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.DEADLINE_EXCEEDED,
}
_COMMON = {grpc.StatusCode.FAILED_PRECONDITION, grpc.StatusCode.NOT_FOUND, grpc.StatusCode.UNIMPLEMENTED}


class RetryVerdict(Enum):
    AGAIN = auto()
    """It may succeed later: the document is tried again, until the job's timeout."""
    REFUSED = auto()
    """This document cannot be stored; the others can."""
    HOPELESS = auto()
    """None of the job's documents can be stored: the collection, or the embedder, does not fit the job."""


def verdict(error: WeftError) -> RetryVerdict:
    if error.status in _PASSING:
        return RetryVerdict.AGAIN
    return RetryVerdict.HOPELESS if error.status in _COMMON else RetryVerdict.REFUSED


async def patiently(what: str, do: Callable[[], Awaitable[T]]) -> T:
    """Repeats a call until it succeeds or fails for good; the caller limits it, by cancelling.

    Waits have full jitter (AWS, "Exponential Backoff and Jitter"): documents that failed together come back spread.
    """
    ceiling_s = _FIRST_CEILING_S
    while True:
        try:
            return await do()
        except WeftError as error:
            if verdict(error) is not RetryVerdict.AGAIN:
                raise
            structlog.get_logger().info(f"cannot {what} now", reason=error.reason_name, retry_within_s=ceiling_s)
        await asyncio.sleep(random.uniform(0, ceiling_s))  # noqa: S311 - spreads, hides nothing
        ceiling_s = min(2 * ceiling_s, _LAST_CEILING_S)
