"""The keys that this replica looked up recently, so that most calls cost no query.

A key is trusted for `fresh_s`; if PostgreSQL cannot confirm it after that, for `stale_s` in all. An unknown key is
remembered as unknown for `absent_s`. Calls that wait for the same key share one query.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from prometheus_client import Counter

from weft_gateway.auth.keys import Key
from weft_kit.rpc.errors import DependencyDown

LOOKUPS = Counter("weft_gateway_key_lookups", "Keys looked up in PostgreSQL.", ["outcome"])

_RETRY_S: Final = 1.0
_MOST_ABSENT: Final = 10_000


@dataclass(frozen=True, slots=True)
class Life:
    """How long lookups are cached, in seconds."""

    fresh_s: float = 10.0
    stale_s: float = 900.0
    absent_s: float = 2.0


@dataclass(slots=True)
class _Known:
    key: Key
    confirmed: float
    ask_after: float
    unconfirmed: bool = False


class KeyCache:
    """Finds keys by their id. `look_up` asks the store: a key, None, or DependencyDown."""

    def __init__(
        self,
        look_up: Callable[[str], Awaitable[Key | None]],
        life: Life,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._look_up = look_up
        self._life = life
        self._clock = clock
        self._known: dict[str, _Known] = {}
        self._absent: dict[str, float] = {}
        self._asking: dict[str, asyncio.Task[Key | None]] = {}

    def recall(self, key_id: str) -> Key | None:
        """Returns the key, if it can be trusted without waiting for the store."""
        known, now = self._known.get(key_id), self._clock()
        if known is None:
            return None
        if now < known.ask_after:
            return known.key
        if known.unconfirmed and now < known.confirmed + self._life.stale_s:
            # The store failed when last asked. It is asked again in the background, so that calls do not wait for that.
            known.ask_after = now + _RETRY_S
            self._ask_once(key_id)
            return known.key
        return None

    async def find(self, key_id: str) -> Key | None:
        """Returns the key, or None when there is none. Raises DependencyDown when that cannot be known."""
        if key := self.recall(key_id):
            return key
        if self._clock() < self._absent.get(key_id, 0.0):
            return None
        # Shielded: a caller who leaves must not cancel the query for the others that wait for it.
        return await asyncio.shield(self._ask_once(key_id))

    def forget(self, key_id: str) -> None:
        """Makes the next call with this key ask the store."""
        self._known.pop(key_id, None)

    def _ask_once(self, key_id: str) -> "asyncio.Task[Key | None]":
        asking = self._asking.get(key_id)
        if asking is None:
            asking = self._asking[key_id] = asyncio.create_task(self._ask(key_id))
            asking.add_done_callback(lambda _: self._asking.pop(key_id, None))
        return asking

    async def _ask(self, key_id: str) -> Key | None:
        try:
            key = await self._look_up(key_id)
        except DependencyDown:
            LOOKUPS.labels("failed").inc()
            if (known := self._still_good(key_id)) is None:
                raise
            return known.key
        if key is None:
            LOOKUPS.labels("absent").inc()
            self._remember_absent(key_id)
        else:
            LOOKUPS.labels("found").inc()
            now = self._clock()
            self._known[key_id] = _Known(key, now, now + self._life.fresh_s)
        return key

    def _still_good(self, key_id: str) -> _Known | None:
        """Returns the result from before the store failed, if that is recent enough."""
        known, now = self._known.get(key_id), self._clock()
        if known is None or now >= known.confirmed + self._life.stale_s:
            return None
        known.unconfirmed, known.ask_after = True, now + _RETRY_S
        return known

    def _remember_absent(self, key_id: str) -> None:
        self._known.pop(key_id, None)
        if len(self._absent) >= _MOST_ABSENT:
            self._absent.clear()
        self._absent[key_id] = self._clock() + self._life.absent_s
