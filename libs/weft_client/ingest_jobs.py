"""Ingest jobs: any number of documents, and one durable job that stores them and can be watched."""

from collections.abc import AsyncIterable, AsyncIterator, Iterable, Sequence
from contextlib import aclosing, asynccontextmanager
from functools import partial
from operator import attrgetter
from uuid import uuid4

import grpc

from weft.job.v1 import event_pb2
from weft.retrieval.v1 import retrieval_pb2 as pb
from weft.retrieval.v1 import retrieval_pb2_grpc as rpc
from weft_client.connection import Connection
from weft_client.pages import first
from weft_client.streams import Streams
from weft_kit.rpc.errors import Draining, WeftError
from weft_kit.rpc.time import duration

Documents = Iterable[pb.Document] | AsyncIterable[pb.Document]

# The size of one call; a single document may be larger.
_BATCH_BYTES = 8 * 1024 * 1024
_BATCH_DOCUMENTS = 500
_STAGE_S = 50.0
_POLL_S = 20.0
# Gateways end longer streams themselves; watching continues with the next one.
_STREAM_S = 60.0


class IngestJobs:
    """The ingest jobs of RetrievalService behind the gateway."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._stub = rpc.RetrievalServiceStub(connection.raw)

    async def begin(
        self, collection: str, documents: Documents, *, request_id: str = "", skip_duplicates: bool = False
    ) -> pb.IngestJob:
        """Sends the documents as they come, and begins the job that stores them. Raises WeftError.

        The collection must exist. A repeat with the same `request_id` returns the first job.
        """
        upload_id = uuid4().hex
        async for batch in _batches(documents):
            staged = pb.StageDocumentsRequest(upload_id=upload_id, collection=collection, documents=batch)
            await self._connection.ask(self._stub.StageDocuments, staged, _STAGE_S)
        asked = pb.IngestDocumentsRequest(
            request_id=request_id, collection=collection, upload_id=upload_id, skip_duplicates=skip_duplicates
        )
        return (await self._connection.ask(self._stub.IngestDocuments, asked, _STAGE_S)).job

    async def job(self, job_id: str, wait_s: float = 0.0) -> pb.IngestJob:
        """Returns a job's record; waits up to `wait_s`, at most 60 s, for the job's end."""
        asked = pb.GetIngestJobRequest(job_id=job_id)
        asked.wait.CopyFrom(duration(wait_s))
        return (await self._connection.ask(self._stub.GetIngestJob, asked, wait_s)).job

    async def wait(self, job_id: str) -> pb.IngestJob:
        """Returns a job's record once the job has ended."""
        while not (job := await self.job(job_id, _POLL_S)).HasField("end_time"):
            pass
        return job

    async def jobs(self, limit: int = 50) -> list[pb.IngestJob]:
        """Returns the newest jobs."""
        ask = partial(self._connection.ask, self._stub.ListIngestJobs)
        return await first(limit, ask, pb.ListIngestJobsRequest(), attrgetter("jobs"))

    async def cancel(self, job_id: str, message: str = "") -> pb.IngestJob:
        """Stops a job; documents already stored are kept."""
        asked = pb.CancelIngestJobRequest(job_id=job_id, message=message)
        return (await self._connection.ask(self._stub.CancelIngestJob, asked)).job

    async def watch(self, job_id: str, after_sequence: int = 0) -> AsyncIterator[event_pb2.JobEvent]:
        """Yields a job's events until its end, each once, over as many connections as needed. Raises WeftError."""
        last_sequence = after_sequence

        async def is_over() -> bool:
            return (await self.job(job_id)).HasField("end_time")

        streams = Streams(
            lambda: self._stream(job_id, last_sequence), is_over, self._connection.patience(), self._connection.observer
        )
        async with aclosing(streams.events(after_sequence)) as events:
            async for event in events:
                last_sequence = event.sequence
                yield event

    @asynccontextmanager
    async def _stream(self, job_id: str, after_sequence: int) -> AsyncIterator[AsyncIterator[event_pb2.JobEvent]]:
        asked = pb.WatchIngestJobRequest(job_id=job_id, after_sequence=after_sequence)
        try:
            async with self._connection.stream(self._stub.WatchIngestJob, asked, _STREAM_S) as replies:
                yield (reply.event async for reply in replies)
        except WeftError as failure:
            if failure.status is not grpc.StatusCode.DEADLINE_EXCEEDED:
                raise
            raise Draining("this stream lasted for as long as one may; watch again", retry_after_s=0.0) from None


async def _batches(documents: Documents) -> AsyncIterator[Sequence[pb.Document]]:
    """Groups documents so that each group fits a call."""
    batch: list[pb.Document] = []
    size = 0
    async for document in _each(documents):
        if batch and (size + len(document.content) > _BATCH_BYTES or len(batch) == _BATCH_DOCUMENTS):
            yield batch
            batch, size = [], 0
        batch.append(document)
        size += len(document.content)
    if batch:
        yield batch


async def _each(documents: Documents) -> AsyncIterator[pb.Document]:
    if isinstance(documents, AsyncIterable):
        async for document in documents:
            yield document
    else:
        for document in documents:
            yield document
