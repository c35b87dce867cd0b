"""One tenant's view of ingest jobs over a real socket, and an embedder that can be made to wait."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from google.protobuf.duration_pb2 import Duration
from tests.retrieval.conftest import WordEmbedder

from weft.inference.v1 import inference_pb2
from weft.job.v1 import event_pb2
from weft.retrieval.v1 import retrieval_pb2 as pb
from weft.retrieval.v1 import retrieval_pb2_grpc as rpc
from weft_kit.rpc.channel import Channel
from weft_kit.rpc.context import CallContext, bound
from weft_kit.rpc.errors import Overloaded


def document(document_id: str, content: str | bytes, **fields: Any) -> pb.Document:
    metadata = fields.pop("metadata", {})
    data = content.encode() if isinstance(content, str) else content
    made = pb.Document(document_id=document_id, content=data, **fields)
    made.metadata.update(metadata)
    return made


def notes(count: int, first: int = 0) -> list[pb.Document]:
    """Short documents that share no word but the first three."""
    return [document(f"note-{number}", f"This is note number{number}.") for number in range(first, first + count)]


class PatientEmbedder(WordEmbedder):
    """Counts its batches, holds them back when told to, or refuses them."""

    def __init__(self) -> None:
        super().__init__()
        self.batches: list[int] = []
        self.away = False
        self.refused = asyncio.Event()
        self.held = asyncio.Event()
        """Set when a batch waits."""
        self._passing: int | None = None
        self._gate = asyncio.Event()

    def pass_only(self, batches: int) -> None:
        self._passing = batches
        self._gate.clear()

    def pass_all(self) -> None:
        self._passing = None
        self._gate.set()

    async def Embed(self, request: inference_pb2.EmbedRequest, context: object) -> inference_pb2.EmbedResponse:
        if self.away:
            self.refused.set()
            raise Overloaded("busy; retry", retry_after_s=0.05)
        self.batches.append(len(request.texts))
        if self._passing is not None:
            if not self._passing:
                self.held.set()
                await self._gate.wait()
            else:
                self._passing -= 1
        return await super().Embed(request, context)


class IngestClient:
    def __init__(self, channel: Channel, tenant: str = "acme") -> None:
        self.channel = channel
        self._stub = rpc.RetrievalServiceStub(channel.raw)
        self._context = CallContext(tenant=tenant)

    async def stage(self, upload_id: str, documents: Sequence[pb.Document]) -> pb.StageDocumentsResponse:
        asked = pb.StageDocumentsRequest(upload_id=upload_id, collection="docs", documents=documents)
        return await self._call("StageDocuments", asked)

    async def begin(self, documents: Sequence[pb.Document] = (), **fields: Any) -> pb.IngestJob:
        timeout_s = fields.pop("timeout_s", None)
        asked = pb.IngestDocumentsRequest(collection="docs", documents=documents, **fields)
        if timeout_s is not None:
            asked.timeout.CopyFrom(_duration(timeout_s))
        return (await self._call("IngestDocuments", asked)).job

    async def get(self, job_id: str, wait_s: float = 0) -> pb.IngestJob:
        return (await self._call("GetIngestJob", pb.GetIngestJobRequest(job_id=job_id, wait=_duration(wait_s)))).job

    async def done(self, job: pb.IngestJob) -> pb.IngestJob:
        ended = await self.get(job.job_id, wait_s=30)
        assert ended.HasField("end_time"), ended
        return ended

    async def page(self, page_size: int = 0, page_token: str = "") -> pb.ListIngestJobsResponse:
        return await self._call("ListIngestJobs", pb.ListIngestJobsRequest(page_size=page_size, page_token=page_token))

    async def cancel(self, job_id: str, message: str = "") -> pb.IngestJob:
        return (await self._call("CancelIngestJob", pb.CancelIngestJobRequest(job_id=job_id, message=message))).job

    @asynccontextmanager
    async def watching(self, job_id: str, after: int = 0) -> AsyncIterator[AsyncIterator[event_pb2.JobEvent]]:
        asked = pb.WatchIngestJobRequest(job_id=job_id, after_sequence=after)
        with bound(self._context):
            call = self._stub.WatchIngestJob(asked, **self.channel.call(30))
        async with self.channel.streaming(call) as replies:
            yield (reply.event async for reply in replies)

    async def started(self, job_id: str, attempts: int) -> None:
        """Returns once so many attempts have begun."""
        begun = 0
        async with self.watching(job_id) as events:
            async for event in events:
                begun += event.HasField("started")
                if begun == attempts:
                    return

    async def events(self, job_id: str, after: int = 0) -> list[event_pb2.JobEvent]:
        async with self.watching(job_id, after) as events:
            return [event async for event in events]

    async def _call(self, method: str, request: Any) -> Any:
        with bound(self._context):
            return await self.channel.unary(getattr(self._stub, method)(request, **self.channel.call(60)))


def _duration(seconds: float) -> Duration:
    duration = Duration()
    duration.FromNanoseconds(round(seconds * 1e9))
    return duration
