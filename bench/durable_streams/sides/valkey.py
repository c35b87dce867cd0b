"""Writer and reader of a fan-out over Valkey's streams, written as usual: XADD a token, XREAD BLOCK from an id."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import redis.asyncio as redis
import uvloop
from bench.durable_streams.sides.talk import (
    ENDED,
    READING,
    Answer,
    Heard,
    bounded,
    heard_answer,
    now_us,
    serve,
    speak,
)

_FIELD = b"said"
_AWAY_S = 0.05
_BLOCK_MS = 1000
_BATCH = 100


class ValkeySide:
    """The commands. Readers and writers have a connection for each stream that is under way."""

    def __init__(self) -> None:
        # Untyped: what a reply may be depends on the protocol, which the types do not know.
        self._client: Any = None

    async def connect(self, url: str) -> AsyncIterator[Answer]:
        self._client = redis.Redis.from_url(url)
        await self._client.ping()
        yield {}

    async def prepare(self, **_: Any) -> AsyncIterator[Answer]:
        """A stream needs no creation."""
        yield {}

    async def write(
        self, streams: Sequence[str], rate: float, tokens: int, spread_s: float, limit_s: float
    ) -> AsyncIterator[Answer]:
        acked: dict[str, list[int]] = {stream: [] for stream in streams}

        async def one(n: int, stream: str) -> None:
            await asyncio.sleep(n / len(streams) * spread_s)
            await speak(rate, tokens, lambda said: self._append(stream, said), acked[stream])

        await bounded((one(n, stream) for n, stream in enumerate(streams)), limit_s)
        yield {"acked": acked}

    async def fill(self, stream: str, tokens: int) -> AsyncIterator[Answer]:
        for _ in range(0, tokens, _BATCH):
            pipeline = self._client.pipeline(transaction=False)
            for _ in range(_BATCH):
                pipeline.xadd(stream, {_FIELD: now_us()})
            await pipeline.execute()
        yield {"records": tokens}

    async def read(self, streams: Sequence[str], tokens: int, limit_s: float, **_: float) -> AsyncIterator[Answer]:
        heard = [Heard() for _ in streams]
        yield READING
        follow = (self._follow(stream, tokens, each) for stream, each in zip(streams, heard, strict=True))
        await bounded(follow, limit_s)
        yield ENDED
        yield heard_answer(heard)

    async def collect(self, streams: Sequence[str]) -> AsyncIterator[Answer]:
        found = {stream: await self._client.xrange(stream) for stream in streams}
        yield {"said_us": {name: [int(fields[_FIELD]) for _, fields in entries] for name, entries in found.items()}}

    async def _append(self, stream: str, said: int) -> None:
        while True:
            try:
                await self._client.xadd(stream, {_FIELD: said})
            except (redis.ConnectionError, redis.TimeoutError):
                await asyncio.sleep(_AWAY_S)
            else:
                return

    async def _follow(self, stream: str, tokens: int, heard: Heard) -> None:
        last: bytes | str = "0"
        while heard.kept < tokens:
            try:
                found = await self._client.xread({stream: last}, block=_BLOCK_MS)
            except (redis.ConnectionError, redis.TimeoutError):
                await asyncio.sleep(_AWAY_S)
                continue
            now = now_us()
            for _, entries in found:
                heard.add((int(fields[_FIELD]) for _, fields in entries), now)
                last = entries[-1][0]


if __name__ == "__main__":
    side = ValkeySide()
    commands = ("connect", "prepare", "write", "fill", "read", "collect")
    uvloop.run(serve({name: getattr(side, name) for name in commands}))
