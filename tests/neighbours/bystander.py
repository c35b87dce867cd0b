"""A tenant that does nothing special, and the time it takes to be served."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from statistics import quantiles
from time import monotonic
from typing import Final

from weft_client.client import WeftClient
from weft_client.requests import chat

COLLECTION: Final = "mine"
_EVERY_S: Final = 0.04


@dataclass
class Times:
    """Seconds that each kind of call took."""

    of: dict[str, list[float]] = field(default_factory=dict)

    def add(self, other: "Times") -> None:
        for kind, seconds in other.of.items():
            self.of.setdefault(kind, []).extend(seconds)

    def p99(self, kind: str) -> float:
        return quantiles(self.of[kind], n=100, method="inclusive")[98]


class Bystander:
    """Calls the mesh at a steady pace, whether or not earlier calls were answered: waits are not left out."""

    def __init__(self, weft: WeftClient) -> None:
        self._weft = weft
        self._job_id = ""
        self._kinds: Sequence[tuple[str, Callable[[], Awaitable[object]]]] = (
            ("a question and its answer", self._ask),
            ("a search", lambda: weft.documents.search(COLLECTION, "mooring fee")),
            ("a list of jobs", lambda: weft.jobs(5)),
            ("a job's record", lambda: weft.job(self._job_id)),
        )

    async def settle(self) -> None:
        """Stores what the calls look for, and makes each of them once."""
        await self._weft.documents.ensure_collection(COLLECTION)
        await self._weft.documents.ingest(COLLECTION, "fees.md", b"The mooring fee is nine marks a night.")
        await self._ask()
        await self.watch(1.0)

    async def watch(self, seconds: float) -> Times:
        """Returns how long calls took over some seconds."""
        times, calls, until = Times(), [], monotonic() + seconds
        number = 0
        while monotonic() < until:
            kind, call = self._kinds[number % len(self._kinds)]
            calls.append(asyncio.create_task(_timed(times, kind, call)))
            number += 1
            await asyncio.sleep(_EVERY_S)
        await asyncio.gather(*calls)
        return times

    async def _ask(self) -> None:
        generation = self._weft.run(chat("What is the fee?", cache="off"))
        async for _ in generation:
            pass
        self._job_id = generation.job_id


async def _timed(times: Times, kind: str, call: Callable[[], Awaitable[object]]) -> None:
    began = monotonic()
    await call()
    times.of.setdefault(kind, []).append(monotonic() - began)
