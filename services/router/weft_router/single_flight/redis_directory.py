"""Which router hosts a flight, in Redis: the first to claim it, as long as it renews the claim.

Without Redis each router knows only its own flights, and calls are shared within each router.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

from redis.asyncio import Redis
from redis.exceptions import RedisError

from weft_kit.stores.optional import OptionalStore, StoreAway
from weft_kit.tasks import TaskSet, background

_PREFIX: Final = "weft:flight:"
_TTL_S: Final = 10.0
"""How long a host that died is still named. A router that notices takes over at once."""
_RENEWED_S: Final = 3.0
_REST_S: Final = 1.0

_CLAIM: Final = """
local host = redis.call('GET', KEYS[1])
if not host or host == ARGV[1] or host == ARGV[3] then
    redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
    return ARGV[1]
end
return host
"""
_RELEASE: Final = "if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end"


class RedisDirectory:
    """Announces the flights of one router.

    Calls wait for Redis for `limit_s`; after it was late three times in a row it is not called for a moment.
    """

    def __init__(self, redis: Redis, *, limit_s: float) -> None:
        self._claim: Any = redis.register_script(_CLAIM)
        self._release: Any = redis.register_script(_RELEASE)
        self._store = OptionalStore(limit_s=limit_s, rest_s=_REST_S, failures=(RedisError, OSError, TimeoutError))
        self._held: set[str] = set()
        self._releasing = TaskSet()
        self.host = ""
        """Where other routers find this one."""

    @asynccontextmanager
    async def announcing(self, host: str) -> AsyncIterator[None]:
        """Renews while the context lasts what was claimed; leaving it waits for what is being released."""
        self.host = host
        try:
            async with background(self._renew()):
                yield
        finally:
            await self._releasing.wait()

    async def claim(self, flight: str, lost: str = "") -> str:
        """Returns the host of a flight: this router, if there is none or only a `lost` one, or if Redis does not
        answer.
        """
        held = await self._ask(self._claim, flight, self.host, round(_TTL_S * 1000), lost)
        host = held.decode() if held else self.host
        if host == self.host:
            self._held.add(flight)
        return host

    def release(self, flight: str) -> None:
        """Announces, soon, that a flight of this router is over."""
        self._held.discard(flight)
        self._releasing.start(self._ask(self._release, flight, self.host))

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(_RENEWED_S)
            for flight in tuple(self._held):
                await self._ask(self._claim, flight, self.host, round(_TTL_S * 1000), "")

    async def _ask(self, script: Any, flight: str, *arguments: object) -> Any:
        """Returns what the script returns; None while Redis is away."""
        if self._store.allows():
            with suppress(StoreAway):
                async with self._store.exchange():
                    return await script(keys=[_PREFIX + flight], args=arguments)
        return None
