"""The mesh from Python: jobs, their text, documents, and how the mesh is doing."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Self
from uuid import uuid4

from weft.cache.v1 import cache_pb2, cache_pb2_grpc
from weft.gateway.v1 import gateway_pb2 as pb
from weft.gateway.v1 import gateway_pb2_grpc as rpc
from weft.job.v1 import event_pb2, job_pb2
from weft.router.v1 import router_pb2, router_pb2_grpc
from weft_client.connection import Connection
from weft_client.documents import Documents
from weft_client.generation import Generation
from weft_client.requests import chat

# A job may live for a day; its stream should not end before it.
_STREAM_S = 25 * 3600.0


class WeftClient:
    """One tenant's door to the mesh.

    Example:
        async with WeftClient("127.0.0.1:7600", key) as weft:
            async for token in weft.generate("Who keeps the light?", collection="handbook"):
                print(token.text, end="")
    """

    def __init__(self, endpoint: str, key: str) -> None:
        self.endpoint = endpoint
        self._connection = Connection(endpoint, key)
        self._jobs = rpc.GatewayServiceStub(self._connection.raw)
        self._router = router_pb2_grpc.RouterServiceStub(self._connection.raw)
        self._cache = cache_pb2_grpc.CacheServiceStub(self._connection.raw)
        self.documents = Documents(self._connection)

    async def __aenter__(self) -> Self:
        await self._connection.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._connection.__aexit__(kind, error, trace)

    def generate(
        self,
        prompt: str,
        *,
        model: str = "default",
        system: str = "",
        collection: str = "",
        top_k: int | None = None,
        max_tokens: int | None = None,
        temperature: float | None = None,
    ) -> Generation:
        """Asks one question and streams the answer."""
        return self.run(
            chat(
                prompt,
                model=model,
                system=system,
                collection=collection,
                top_k=top_k,
                max_tokens=max_tokens,
                temperature=temperature,
            )
        )

    def run(self, request: job_pb2.GenerationRequest, request_id: str = "") -> Generation:
        """Submits a request and streams its job. With the same `request_id` a repeat joins the first job."""
        asked = pb.GenerateRequest(request_id=request_id or uuid4().hex, request=request)
        return Generation(lambda: self._generated(asked), self._streamed)

    def follow(self, job_id: str, after_sequence: int = 0) -> Generation:
        """Streams a job that exists, during or after it."""
        return Generation(lambda: self._streamed(job_id, after_sequence), self._streamed, after_sequence=after_sequence)

    async def submit(self, request: job_pb2.GenerationRequest, request_id: str = "") -> job_pb2.Job:
        """Makes a job durable and returns at once."""
        asked = pb.SubmitJobRequest(request_id=request_id or uuid4().hex, request=request)
        return (await self._connection.ask(self._jobs.SubmitJob, asked)).job

    async def job(self, job_id: str) -> job_pb2.Job:
        """Returns a job's record."""
        return (await self._connection.ask(self._jobs.GetJob, pb.GetJobRequest(job_id=job_id))).job

    async def jobs(self, limit: int = 50, states: Sequence[job_pb2.JobState.ValueType] = ()) -> list[job_pb2.Job]:
        """Returns the newest jobs, without requests and answers."""
        found: list[job_pb2.Job] = []
        asked = pb.ListJobsRequest(states=states, page_size=min(limit, 1000))
        while len(found) < limit:
            page = await self._connection.ask(self._jobs.ListJobs, asked)
            found.extend(page.jobs)
            asked.page_token = page.next_page_token
            if not asked.page_token:
                break
        return found[:limit]

    async def cancel(self, job_id: str, message: str = "") -> job_pb2.Job:
        """Asks a job to stop."""
        asked = pb.CancelJobRequest(job_id=job_id, message=message)
        return (await self._connection.ask(self._jobs.CancelJob, asked)).job

    async def providers(self) -> Sequence[router_pb2.Provider]:
        """Returns the providers as one router sees them."""
        return (await self._connection.ask(self._router.ListProviders, router_pb2.ListProvidersRequest())).providers

    async def models(self) -> Sequence[router_pb2.Model]:
        """Returns the model aliases a request may name."""
        return (await self._connection.ask(self._router.ListModels, router_pb2.ListModelsRequest())).models

    async def cache_stats(self) -> cache_pb2.GetStatsResponse:
        """Returns the tenant's cache counters."""
        return await self._connection.ask(self._cache.GetStats, cache_pb2.GetStatsRequest())

    async def forget_answers(self, *, model: str = "", collection: str = "") -> int:
        """Empties the tenant's cache, or the part of it for one model or collection; returns how many went."""
        asked = cache_pb2.InvalidateRequest(model=model, collection=collection)
        return (await self._connection.ask(self._cache.Invalidate, asked)).invalidated

    @asynccontextmanager
    async def _generated(self, asked: pb.GenerateRequest) -> AsyncIterator[AsyncIterator[event_pb2.JobEvent]]:
        call = self._jobs.Generate(asked, **self._connection.call(_STREAM_S))
        async with self._connection.channel.streaming(call) as replies:
            yield (reply.event async for reply in replies)

    @asynccontextmanager
    async def _streamed(self, job_id: str, after: int) -> AsyncIterator[AsyncIterator[event_pb2.JobEvent]]:
        asked = pb.StreamJobRequest(job_id=job_id, after_sequence=after)
        call = self._jobs.StreamJob(asked, **self._connection.call(_STREAM_S))
        async with self._connection.channel.streaming(call) as replies:
            yield (reply.event async for reply in replies)
