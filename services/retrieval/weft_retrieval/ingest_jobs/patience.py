"""Trying again what failed for a reason that will pass."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog

from weft_kit.rpc.errors import WeftError
from weft_retrieval.ingest_jobs.verdict import Verdict, verdict

T = TypeVar("T")
_FIRST_CEILING_S = 0.2
_LAST_CEILING_S = 5.0


async def patiently(what: str, do: Callable[[], Awaitable[T]]) -> T:
    """Does something until it succeeds or fails for good; whoever calls bounds it, by cancelling.

    Waits have full jitter (AWS, "Exponential Backoff and Jitter"): documents that failed together come back spread.
    """
    ceiling_s = _FIRST_CEILING_S
    while True:
        try:
            return await do()
        except WeftError as error:
            if verdict(error) is not Verdict.AGAIN:
                raise
            structlog.get_logger().info(f"cannot {what} now", reason=error.reason_name, retry_within_s=ceiling_s)
        await asyncio.sleep(random.uniform(0, ceiling_s))  # noqa: S311 - spreads, hides nothing
        ceiling_s = min(2 * ceiling_s, _LAST_CEILING_S)
