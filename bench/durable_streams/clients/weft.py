"""A reader of Weft: it creates each job through the gateway and streams it, like any client."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, aclosing

import grpc.aio
import uvloop
from bench.durable_streams.clients.protocol import (
    ENDED,
    READING,
    Answer,
    Received,
    bounded,
    now_us,
    received_answer,
    serve,
)
from bench.harness.client import Events, GatewayClient, connected

from weft_client.transcript import CorruptAnswer, Transcript

_CONNECTIONS = 8


class WeftReader:
    """The reader's commands."""

    def __init__(self, stack: AsyncExitStack) -> None:
        self._stack = stack
        self._clients: list[GatewayClient] = []
        self._jobs: dict[str, str] = {}

    async def connect(self, endpoint: str, api_key: str) -> AsyncIterator[Answer]:
        for _ in range(_CONNECTIONS):
            self._clients.append(await self._stack.enter_async_context(connected(endpoint, api_key)))
        yield {}

    async def read(
        self, streams: Sequence[str], rate: float, tokens: int, spread_s: float, limit_s: float, job_id: str = ""
    ) -> AsyncIterator[Answer]:
        received = [Received() for _ in streams]
        yield READING

        async def one(n: int, stream: str) -> None:
            await asyncio.sleep(n / len(streams) * spread_s)
            client = self._clients[n % len(self._clients)]
            events = client.read(job_id) if job_id else client.generate(f"stamped-{rate:g}-{tokens}")
            await self._follow(stream, events, received[n])

        await bounded((one(n, stream) for n, stream in enumerate(streams)), limit_s)
        yield ENDED
        yield received_answer(received)

    async def collect(self, streams: Sequence[str]) -> AsyncIterator[Answer]:
        """Reads each job again from the beginning."""
        found = {}
        for stream in streams:
            received = Received()
            await self._follow(stream, self._clients[0].read(self._jobs[stream]), received)
            found[stream] = received.produced_us
        yield {"produced_us": found}

    async def _follow(self, stream: str, events: Events, received: Received) -> None:
        transcript = Transcript()
        try:
            async with aclosing(events):
                async for event in events:
                    received.add((int(stamp) // 1000 for stamp in event.delta.text.split()), now_us())
                    transcript.apply(event)
                    self._jobs[stream] = event.job_id or self._jobs.get(stream, "")
        except grpc.aio.AioRpcError as error:
            received.wrong = f"{error.code().name}: {error.details()}"
        except CorruptAnswer as error:
            received.wrong = str(error)
        finally:
            received.kept = len(transcript.text.split())
        if transcript.done is None and not received.wrong:
            received.wrong = "no done"


async def main() -> None:
    async with AsyncExitStack() as stack:
        reader = WeftReader(stack)
        await serve({"connect": reader.connect, "read": reader.read, "collect": reader.collect})


if __name__ == "__main__":
    uvloop.run(main())
