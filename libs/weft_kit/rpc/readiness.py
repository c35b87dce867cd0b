"""A service's dependencies and whether they are available: checked every second, reported to health and metrics."""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from prometheus_client import Gauge

from weft_kit.outages import Outage
from weft_kit.rpc.errors import WeftError
from weft_kit.tasks import ended

READY = Gauge("weft_ready", "1 while what the service needs is there, 0 while it is not.", ["dependency"])

WHOLE = ""
"""The name under which health reports the whole process."""

Check = Callable[[], Awaitable[object]]
"""Returns if the dependency is available; otherwise raises an error that says what is wrong."""


@dataclass(frozen=True, slots=True)
class Need:
    """A dependency, and the services that are not ready without it: their full proto names, "" for the process."""

    dependency: str
    check: Check
    services: frozenset[str] = frozenset({WHOLE})


@dataclass(slots=True)
class _State:
    outage: Outage
    is_ready: bool = False
    failing_since: float | None = -math.inf
    """None while it does not fail; minus infinity before it was available for the first time."""


class Readiness:
    """Checks every need while its context lasts; entering waits for the first results, at most `limit_s`.

    A dependency counts as unavailable once its checks have failed for `patience_s`, so that a blip turns no calls away,
    and as available again with the first success.
    """

    def __init__(
        self, needs: Iterable[Need] = (), *, every_s: float = 1.0, limit_s: float = 2.0, patience_s: float = 2.0
    ) -> None:
        self._needs = tuple(needs)
        self._every_s = every_s
        self._limit_s = limit_s
        self._patience_s = patience_s
        self._states = {
            need.dependency: _State(Outage("not ready", "ready again", dependency=need.dependency))
            for need in self._needs
        }
        self._watching: list[asyncio.Task[None]] = []
        self._hooks: list[Callable[[], None]] = []

    async def __aenter__(self) -> Self:
        await asyncio.gather(*map(self._look, self._needs))
        self._watching = [asyncio.create_task(self._watch(need)) for need in self._needs]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await ended(*self._watching)

    def is_ready(self, service: str) -> bool:
        """Returns whether everything that a service needs is available."""
        return all(self._states[need.dependency].is_ready for need in self._needs if service in need.services)

    def on_change(self, hook: Callable[[], None]) -> None:
        """Calls `hook` whenever a dependency fails or recovers."""
        self._hooks.append(hook)

    async def _watch(self, need: Need) -> None:
        while True:
            await asyncio.sleep(self._every_s)
            await self._look(need)

    async def _look(self, need: Need) -> None:
        state = self._states[need.dependency]
        try:
            async with asyncio.timeout(self._limit_s):
                await need.check()
        except Exception as error:  # noqa: BLE001  # whatever is wrong with it, it is not available
            now = time.monotonic()
            # Counted from the end of a check: one that was under way while this process was frozen says little.
            state.failing_since = now if state.failing_since is None else state.failing_since
            if now - state.failing_since >= self._patience_s:
                state.outage.failed(_words(error, self._limit_s))
                self._set(need, state, is_ready=False)
        else:
            state.failing_since = None
            state.outage.ended()
            self._set(need, state, is_ready=True)

    def _set(self, need: Need, state: _State, *, is_ready: bool) -> None:
        READY.labels(need.dependency).set(is_ready)
        if state.is_ready != is_ready:
            state.is_ready = is_ready
            for hook in self._hooks:
                hook()


def _words(error: Exception, limit_s: float) -> str:
    if isinstance(error, WeftError):
        return error.message
    return f"no answer within {limit_s:g} s" if isinstance(error, TimeoutError) else f"{type(error).__name__}: {error}"
