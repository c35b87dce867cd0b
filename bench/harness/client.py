"""A client of the gateway, with one API key and a connection of its own."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager

import grpc.aio

from weft.common.v1 import chat_pb2
from weft.gateway.v1 import gateway_pb2 as pb
from weft.gateway.v1 import gateway_pb2_grpc as rpc
from weft.job.v1 import event_pb2, job_pb2
from weft_kit.rpc.channel import OPTIONS, StreamCall

PROMPT = "Tell me what the mesh does when a worker dies in the middle of a sentence."
LIMIT_S = 180.0

Events = AsyncGenerator[event_pb2.JobEvent, None]


def request(model: str) -> job_pb2.GenerationRequest:
    """Returns the request that every call makes, for a model."""
    message = chat_pb2.Message(role=chat_pb2.ROLE_USER, parts=[chat_pb2.ContentPart(text=PROMPT)])
    return job_pb2.GenerationRequest(model=model, messages=[message])


class GatewayClient:
    """The calls that the benchmark makes. Streams raise AioRpcError."""

    def __init__(self, channel: grpc.aio.Channel, api_key: str) -> None:
        self._channel = channel
        self._stub = rpc.GatewayServiceStub(channel)
        self._metadata = (("authorization", f"Bearer {api_key}"),)

    def with_key(self, api_key: str) -> "GatewayClient":
        """Returns a client with another API key over the same connection."""
        return GatewayClient(self._channel, api_key)

    def generate(self, model: str) -> Events:
        """Creates a job and streams it; leaving the stream cancels the job."""
        asked = pb.GenerateRequest(request=request(model), on_disconnect=pb.ON_DISCONNECT_CANCEL)
        return _events(self._stub.Generate(asked, metadata=self._metadata, timeout=LIMIT_S))

    async def submit(self, model: str) -> str:
        """Creates a job and returns its id."""
        asked = pb.SubmitJobRequest(request=request(model))
        return (await self._stub.SubmitJob(asked, metadata=self._metadata, timeout=LIMIT_S)).job.job_id

    def read(self, job_id: str) -> Events:
        """Streams a job."""
        asked = pb.StreamJobRequest(job_id=job_id)
        return _events(self._stub.StreamJob(asked, metadata=self._metadata, timeout=LIMIT_S))


@asynccontextmanager
async def connected(endpoint: str, api_key: str) -> AsyncIterator[GatewayClient]:
    """Yields a client with a connection of its own."""
    # Otherwise, channels to the same address would share a connection.
    options = (*OPTIONS, ("grpc.use_local_subchannel_pool", 1))
    async with grpc.aio.insecure_channel(endpoint, options=options) as channel:
        yield GatewayClient(channel, api_key)


async def _events(call: StreamCall[pb.GenerateResponse] | StreamCall[pb.StreamJobResponse]) -> Events:
    try:
        async for response in call:
            yield response.event
    finally:
        call.cancel()
