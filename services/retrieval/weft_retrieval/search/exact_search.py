"""Searches a large collection whose index is being built: every window is compared, a few searches at a time."""

import asyncio
from collections.abc import Awaitable, Callable

from prometheus_client import Counter

from weft_kit.logging import note
from weft_retrieval.ranking.bm25 import Leg

LEFT_OUT = Counter(
    "weft_retrieval_dense_legs_left_out",
    "Searches answered by words alone: their index was not built yet.",
)

# Each occupies a core while it runs, and the index is being built on the others.
_AT_ONCE = 2
# The share of the budget within which a search must start. One that starts later is cut off half-way, and its work is
# lost.
_WAITING = 0.25


class ExactSearch:
    """Limits what a missing index costs, so that slow searches do not pile up until all of them fail."""

    def __init__(self, budget_s: float) -> None:
        self._budget_s = budget_s
        self._turn = asyncio.Semaphore(_AT_ONCE)

    async def compare(self, nearest: Callable[[], Awaitable[Leg]]) -> Leg:
        """Returns the hits by vector; none if that exceeds the budget, which the call's log line reports."""
        try:
            async with asyncio.timeout(self._budget_s):
                async with asyncio.timeout(_WAITING * self._budget_s):
                    await self._turn.acquire()
                try:
                    leg = await nearest()
                finally:
                    self._turn.release()
        except TimeoutError:
            LEFT_OUT.inc()
            note(dense_leg="left out: the index is not built yet")
            return []
        note(dense_leg="without an index: it is not built yet")
        return leg
