"""A client that reads a job, sees each event, and may lose its connection on purpose to go on elsewhere."""

import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from tests.chaos.account import Reading, Stream

from weft.gateway.v1 import gateway_pb2 as pb
from weft.gateway.v1 import gateway_pb2_grpc as rpc
from weft.job.v1 import event_pb2
from weft_client.connection import Connection
from weft_client.generation import Generation
from weft_client.retry import Patience
from weft_client.streams import Events
from weft_client.transcript import CorruptAnswer
from weft_kit.rpc.channel import StreamCall
from weft_kit.rpc.errors import DependencyDown, WeftError

# A job that is lost must not hold up the run: nothing asked for here takes as long.
_STREAM_S = 120.0
_LONGEST_STRETCHES = (1, 2, 4, 8, 30)


class Reader:
    """Reads one job, each stream from any gateway. A restless one breaks every stream off after a few events."""

    def __init__(
        self, gateways: Sequence[Connection], chance: random.Random, patience_s: float, *, restless: bool = False
    ) -> None:
        self._gateways = gateways
        self._chance = chance
        self._patience_s = patience_s
        self._restless = restless
        self.reading = Reading()
        self.job_id = ""

    async def generate(self, asked: pb.GenerateRequest) -> None:
        """Asks, and reads to the end."""
        await self._read(Generation(lambda: self._begin(asked), self._resume, patience=Patience(self._patience_s)))

    async def generate_and_leave(self, asked: pb.GenerateRequest, after_tokens: int) -> None:
        """Asks, and goes away after so many tokens, unless the end comes first."""
        # Only a Generate call keeps the promise to stop the job.
        generation = Generation(
            lambda: self._begin(asked), lambda _job_id, _after: self._begin(asked), patience=Patience(self._patience_s)
        )
        await self._read(generation, after_tokens)

    async def follow(self, job_id: str) -> None:
        """Reads a job that exists to its end."""
        await self._read(Generation(lambda: self._resume(job_id, 0), self._resume, patience=Patience(self._patience_s)))

    async def _read(self, generation: Generation, most_tokens: int | None = None) -> None:
        left = most_tokens
        try:
            async for _ in generation:
                if left is not None and (left := left - 1) == 0:
                    self.reading.left = True
                    break
            else:
                self.reading.text = generation.text
        except (WeftError, CorruptAnswer) as failure:
            self.reading.failure = repr(failure)
        self.job_id = generation.job_id

    @asynccontextmanager
    async def _begin(self, asked: pb.GenerateRequest) -> AsyncIterator[AsyncIterator[event_pb2.JobEvent]]:
        gateway = self._chance.choice(self._gateways)
        call = rpc.GatewayServiceStub(gateway.raw).Generate(asked, **gateway.call(_STREAM_S))
        async with self._streaming(gateway, call, 0) as events:
            yield events

    def _resume(self, job_id: str, after: int) -> Events:
        gateway = self._chance.choice(self._gateways)
        asked = pb.StreamJobRequest(job_id=job_id, after_sequence=after)
        call = rpc.GatewayServiceStub(gateway.raw).StreamJob(asked, **gateway.call(_STREAM_S))
        return self._streaming(gateway, call, after)

    @asynccontextmanager
    async def _streaming(
        self, gateway: Connection, call: StreamCall[pb.GenerateResponse | pb.StreamJobResponse], after: int
    ) -> AsyncIterator[AsyncIterator[event_pb2.JobEvent]]:
        stream = Stream(after)
        self.reading.streams.append(stream)
        async with gateway.channel.streaming(call) as replies:
            yield self._watched(replies, stream)

    async def _watched(
        self, replies: AsyncIterator[pb.GenerateResponse | pb.StreamJobResponse], stream: Stream
    ) -> AsyncIterator[event_pb2.JobEvent]:
        most = self._chance.choice(_LONGEST_STRETCHES) if self._restless else None
        async for reply in replies:
            stream.events.append(reply.event)
            yield reply.event
            if len(stream.events) == most and not reply.event.HasField("done"):
                raise DependencyDown("gateway", "this reader cuts its own stream; it goes on elsewhere")
