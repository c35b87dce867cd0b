"""A tenant that does nothing special, and the time it takes to be served."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from itertools import cycle
from statistics import quantiles
from time import monotonic
from typing import Final

from weft_client.client import WeftClient
from weft_client.requests import chat

COLLECTION: Final = "mine"
_EVERY_S: Final = 0.02


def p99(seconds: Sequence[float]) -> float:
    """Returns what 99 of 100 do not exceed."""
    return quantiles(seconds, n=100, method="inclusive")[98]


class Bystander:
    """Calls the mesh at a steady pace, whether or not earlier calls were answered: waits are not left out."""

    def __init__(self, weft: WeftClient) -> None:
        self._weft = weft
        self._job_id = ""
        self._kinds: Sequence[Callable[[], Awaitable[object]]] = (
            self._ask,
            lambda: weft.documents.search(COLLECTION, "mooring fee"),
            lambda: weft.jobs(5),
            lambda: weft.job(self._job_id),
        )

    async def settle(self) -> None:
        """Stores what the calls look for, and makes each of them once."""
        await self._weft.documents.ensure_collection(COLLECTION)
        await self._weft.documents.ingest(COLLECTION, "fees.md", b"The mooring fee is nine marks a night.")
        await self._ask()
        await self.watch(1.0)

    async def watch(self, seconds: float) -> list[float]:
        """Returns the seconds that each call took, of all that began within some seconds."""
        calls, until = [], monotonic() + seconds
        for kind in cycle(self._kinds):
            if monotonic() >= until:
                break
            calls.append(asyncio.create_task(_timed(kind)))
            await asyncio.sleep(_EVERY_S)
        return list(await asyncio.gather(*calls))

    async def _ask(self) -> None:
        generation = self._weft.run(chat("What is the fee?", cache="off"))
        async for _ in generation:
            pass
        self._job_id = generation.job_id


async def _timed(call: Callable[[], Awaitable[object]]) -> float:
    began = monotonic()
    await call()
    return monotonic() - began
