"""What failed and will pass is tried again; what will not ends the document, or the job."""

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
"""Attempts that were lost with a document in their hands, after which it is tried alone."""
MAX_READINGS = 5
"""The same, after which it is not tried any more."""

_PASSING = {
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.DEADLINE_EXCEEDED,
}
_COMMON = {grpc.StatusCode.FAILED_PRECONDITION, grpc.StatusCode.NOT_FOUND, grpc.StatusCode.UNIMPLEMENTED}


class RetryVerdict(Enum):
    AGAIN = auto()
    """It will pass: the document is tried again, as long as the job may take."""
    REFUSED = auto()
    """This document cannot be stored; the others can."""
    HOPELESS = auto()
    """None of the job's documents can: the collection, or the embedder, is not what the job needs."""


def verdict(error: WeftError) -> RetryVerdict:
    if error.status in _PASSING:
        return RetryVerdict.AGAIN
    return RetryVerdict.HOPELESS if error.status in _COMMON else RetryVerdict.REFUSED


async def patiently(what: str, do: Callable[[], Awaitable[T]]) -> T:
    """Does something until it succeeds or fails for good; whoever calls bounds it, by cancelling.

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
