"""Shares one call between callers that want the same thing at the same time."""

import asyncio
import math
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

from weft_kit.rpc.context import remaining
from weft_kit.rpc.errors import DeadlineExceeded

Key = TypeVar("Key", bound=Hashable)
T = TypeVar("T")


@dataclass(slots=True)
class _Flight(Generic[T]):
    task: asyncio.Task[T]
    callers: int = 0


class SingleFlight(Generic[Key, T]):
    """Tracks the calls in progress, and cancels a call when its last caller leaves."""

    def __init__(self) -> None:
        self._flights: dict[Key, _Flight[T]] = {}

    async def share(self, key: Key, call: Callable[[], Awaitable[T]]) -> T:
        """Returns or raises the result of the call under `key`, which it starts if there is none.

        A call has the deadline of the caller that started it. If that was too short, callers with at least as much time
        left start their own.
        """
        clock = asyncio.get_running_loop().time
        began = clock()
        flight = joined = self._flights.get(key)
        if flight is None:
            flight = self._flights[key] = _Flight(asyncio.ensure_future(_run(call)))
            flight.task.add_done_callback(lambda _: self._forget(key, flight))
        flight.callers += 1
        try:
            return await asyncio.shield(flight.task)
        except DeadlineExceeded:
            if joined is None or remaining(math.inf) < clock() - began:
                raise
        finally:
            flight.callers -= 1
            if not flight.callers:
                self._forget(key, flight)
                flight.task.cancel()
        return await self.share(key, call)

    def _forget(self, key: Key, flight: _Flight[T]) -> None:
        if self._flights.get(key) is flight:
            del self._flights[key]


async def _run(call: Callable[[], Awaitable[T]]) -> T:
    return await call()
