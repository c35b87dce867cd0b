"""A writer and a reader of Valkey streams, in the usual way: XADD for each token, XREAD BLOCK from the last id."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import redis.asyncio as redis
import uvloop
from bench.durable_streams.clients.protocol import (
    ENDED,
    READING,
    Answer,
    Received,
    bounded,
    now_us,
    produce,
    received_answer,
    serve,
)

_FIELD = b"produced_us"
_AWAY_S = 0.05
_BLOCK_MS = 1000
_BATCH = 100


class ValkeyClient:
    """The commands of both. Each active stream has its own connection."""

    def __init__(self) -> None:
        # Any: the type of a reply depends on the protocol version, which the stubs do not know.
        self._client: Any = None

    async def connect(self, url: str) -> AsyncIterator[Answer]:
        self._client = redis.Redis.from_url(url)
        await self._client.ping()
        yield {}

    async def prepare(self, **_: Any) -> AsyncIterator[Answer]:
        """Does nothing: XADD creates a stream."""
        yield {}

    async def write(
        self, streams: Sequence[str], rate: float, tokens: int, spread_s: float, limit_s: float
    ) -> AsyncIterator[Answer]:
        acked: dict[str, list[int]] = {stream: [] for stream in streams}

        async def one(n: int, stream: str) -> None:
            await asyncio.sleep(n / len(streams) * spread_s)
            await produce(rate, tokens, lambda produced: self._append(stream, produced), acked[stream])

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
        received = [Received() for _ in streams]
        yield READING
        follow = (self._follow(stream, tokens, each) for stream, each in zip(streams, received, strict=True))
        await bounded(follow, limit_s)
        yield ENDED
        yield received_answer(received)

    async def collect(self, streams: Sequence[str]) -> AsyncIterator[Answer]:
        found = {stream: await self._client.xrange(stream) for stream in streams}
        yield {"produced_us": {name: [int(fields[_FIELD]) for _, fields in entries] for name, entries in found.items()}}

    async def _append(self, stream: str, produced: int) -> None:
        while True:
            try:
                await self._client.xadd(stream, {_FIELD: produced})
            except (redis.ConnectionError, redis.TimeoutError):
                await asyncio.sleep(_AWAY_S)
            else:
                return

    async def _follow(self, stream: str, tokens: int, received: Received) -> None:
        last: bytes | str = "0"
        while received.kept < tokens:
            try:
                found = await self._client.xread({stream: last}, block=_BLOCK_MS)
            except (redis.ConnectionError, redis.TimeoutError):
                await asyncio.sleep(_AWAY_S)
                continue
            now = now_us()
            for _, entries in found:
                received.add((int(fields[_FIELD]) for _, fields in entries), now)
                last = entries[-1][0]


if __name__ == "__main__":
    client = ValkeyClient()
    commands = ("connect", "prepare", "write", "fill", "read", "collect")
    uvloop.run(serve({name: getattr(client, name) for name in commands}))
