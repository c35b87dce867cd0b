"""Gateways one at a time and without a helper's patience, for tests that want to see what each says."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, cast

from tests.durability.environment import TENANT, Environment
from tests.durability.processes import Service

from weft.gateway.v1 import gateway_pb2 as pb
from weft.gateway.v1 import gateway_pb2_grpc as rpc
from weft.job.v1 import job_pb2
from weft_kit.rpc.channel import Channel

ANSWER_S = 20.0


@dataclass
class GatewayClient:
    """One gateway, for one tenant. Every method raises WeftError."""

    channel: Channel
    key: str
    jobs: Any = field(init=False)

    def __post_init__(self) -> None:
        self.jobs = rpc.GatewayServiceStub(self.channel.raw)

    async def submit(self, request: job_pb2.GenerationRequest, request_id: str = "", **fields: Any) -> job_pb2.Job:
        asked = pb.SubmitJobRequest(request_id=request_id, request=request, **fields)
        answer = await self.channel.unary(self.jobs.SubmitJob(asked, **self.call()))
        return cast("job_pb2.Job", answer.job)

    async def get(self, job_id: str, wait_s: int = 0) -> job_pb2.Job:
        asked = pb.GetJobRequest(job_id=job_id)
        asked.wait.FromSeconds(wait_s)
        answer = await self.channel.unary(self.jobs.GetJob(asked, **self.call()))
        return cast("job_pb2.Job", answer.job)

    async def cancel(self, job_id: str) -> job_pb2.Job:
        answer = await self.channel.unary(self.jobs.CancelJob(pb.CancelJobRequest(job_id=job_id), **self.call()))
        return cast("job_pb2.Job", answer.job)

    async def list(self) -> pb.ListJobsResponse:
        response: pb.ListJobsResponse = await self.channel.unary(
            self.jobs.ListJobs(pb.ListJobsRequest(), **self.call())
        )
        return response

    def generate(self, request: job_pb2.GenerationRequest, request_id: str = "", **fields: Any) -> Any:
        """Returns the call itself; cancel it to leave."""
        asked = pb.GenerateRequest(request_id=request_id, request=request, **fields)
        return self.jobs.Generate(asked, **self.call())

    def stream(self, job_id: str, after_sequence: int = 0) -> Any:
        asked = pb.StreamJobRequest(job_id=job_id, after_sequence=after_sequence)
        return self.jobs.StreamJob(asked, **self.call())

    def call(self, limit_s: float = ANSWER_S) -> dict[str, Any]:
        return {"timeout": limit_s, "metadata": (("authorization", f"Bearer {self.key}"),)}


@asynccontextmanager
async def gateway_client(
    environment: Environment, gateway: Service, tenant: str = TENANT
) -> AsyncIterator[GatewayClient]:
    async with Channel(gateway.address, "gateway") as channel:
        # All channels of a process share their connections to one address, and so the pause before the next try to
        # reach a gateway that was away.
        await asyncio.wait_for(channel.raw.channel_ready(), ANSWER_S)
        yield GatewayClient(channel, environment.keys[tenant])


async def first(call: Any, kind: str) -> Any:
    """Reads a stream up to the first event of a kind."""
    async for reply in call:
        if reply.event.HasField(kind):
            return reply.event
    message = f"the stream ended without {kind}"
    raise AssertionError(message)
