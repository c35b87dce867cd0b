"""Stores the documents of one job, several at once; a failure of one affects no other."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from functools import partial

import structlog

from weft.common.v1 import error_pb2
from weft_kit.rpc.errors import Internal, WeftError
from weft_kit.stores.postgres import Connection
from weft_retrieval.fair_share import FairShare
from weft_retrieval.ingest.ingest import Ingestor, IngestOutcome
from weft_retrieval.ingest_jobs.postgres_staging import Settled, Staging, WaitingDocument
from weft_retrieval.ingest_jobs.progress import (
    FAILED,
    Failures,
    Progress,
    failed,
)
from weft_retrieval.ingest_jobs.retry import (
    MAX_READINGS,
    SUSPECT_READINGS,
    RetryVerdict,
    patiently,
    verdict,
)


@dataclass(frozen=True, slots=True)
class Destination:
    """Where a job's documents go."""

    job_id: str
    tenant: str
    collection: str
    only_copies: bool


class StoringRoom:
    """Limits the documents held at once over all jobs of the process, shared by tenants.

    One larger than all the room has it to itself.
    """

    def __init__(self, documents: int, content_bytes: int) -> None:
        self._content_bytes = content_bytes
        self._documents = FairShare(documents)
        self._bytes = FairShare(content_bytes)

    async def take(self, tenant: str, content_bytes: int) -> int:
        """Waits for a place; returns what to release."""
        size = min(content_bytes, self._content_bytes)
        await self._documents.take(tenant)
        try:
            await self._bytes.take(tenant, size)
        except asyncio.CancelledError:
            self._documents.give_back(tenant)
            raise
        return size

    def give_back(self, tenant: str, size: int) -> None:
        self._bytes.give_back(tenant, size)
        self._documents.give_back(tenant)


class Storing:
    """Stores what waits in a job's upload. `counted` is called whenever the tally changes."""

    def __init__(
        self, to: Destination, staging: Staging, ingestor: Ingestor, room: StoringRoom, counted: Callable[[], None]
    ) -> None:
        self._to = to
        self._staging = staging
        self._ingestor = ingestor
        self._room = room
        self._counted = counted
        self.tally = Progress(0)
        self.unnamed: Failures = ()
        """Failed documents that have not been reported in this attempt."""

    async def all(self) -> None:
        """Gives every document an outcome; raises WeftError when none of them could be stored."""
        self.tally = await patiently("count documents", self._staging.tally)
        self.unnamed = await patiently("read failures", partial(self._staging.failures, None))
        self._counted()
        suspects: list[WaitingDocument] = []
        try:
            async with asyncio.TaskGroup() as group:
                async for waiting in self._waiting():
                    if waiting.readings >= SUSPECT_READINGS:
                        suspects.append(waiting)
                    else:
                        size = await self._room.take(self._to.tenant, waiting.content_bytes)
                        group.create_task(self._one(waiting, size))
        except ExceptionGroup as failures:
            raise failures.exceptions[0] from None
        # Whichever of them crashed a worker is alone when it does so again.
        for suspect in suspects:
            await self._suspect(suspect)
        self.tally = await patiently("count documents", self._staging.tally)
        if lost := self.tally.documents - self.tally.settled:
            # Perhaps a store restored from a backup: whatever happened, this is no success.
            message = f"{lost} of its documents are gone from the store; ingest them again"
            raise WeftError(error_pb2.ERROR_REASON_INTERNAL, message)

    async def clear_suspicion(self) -> None:
        """Records that this attempt left its documents in good order; raises DependencyDown."""
        await self._staging.forget_readings()

    async def _waiting(self) -> AsyncIterator[WaitingDocument]:
        after = 0
        while page := await patiently("read on", partial(self._staging.waiting, after)):
            for waiting in page:
                yield waiting
            after = page[-1].position

    async def _suspect(self, waiting: WaitingDocument) -> None:
        if waiting.readings < MAX_READINGS:
            await self._one(waiting, await self._room.take(self._to.tenant, waiting.content_bytes))
            return
        message = f"{waiting.readings} workers were lost while they read it; leave it out, or send it as plain text"
        await self._refuse(waiting, WeftError(error_pb2.ERROR_REASON_ATTEMPTS_EXHAUSTED, message))

    async def _one(self, waiting: WaitingDocument, size: int) -> None:
        try:
            await self._store(waiting)
        except Settled:
            return
        except WeftError as error:
            if verdict(error) is RetryVerdict.HOPELESS:
                raise
            await self._refuse(waiting, error)
        except Exception:  # noqa: BLE001 - one bad file does not stop the rest
            structlog.get_logger().exception("document not stored", job_id=self._to.job_id)
            await self._refuse(waiting, Internal(self._to.job_id))
        finally:
            self._room.give_back(self._to.tenant, size)

    async def _store(self, waiting: WaitingDocument) -> None:
        upload = await patiently("read a document", partial(self._staging.read, waiting))
        ingest = partial(
            self._ingestor.ingest,
            self._to.tenant,
            self._to.collection,
            upload,
            only_copy=self._to.only_copies,
            receipt=partial(self._receipt, waiting),
        )
        ingested = await patiently("store a document", ingest)
        chunks = 0 if ingested.outcome is IngestOutcome.DUPLICATE else ingested.document.chunk_count
        if ingested.outcome in (IngestOutcome.UNCHANGED, IngestOutcome.DUPLICATE):
            await patiently("settle a document", partial(self._staging.settle, waiting, ingested.outcome, chunks))
        self._count(ingested.outcome, chunks, ingested.embedded_chunks)

    async def _receipt(
        self, waiting: WaitingDocument, outcome: IngestOutcome, chunks: int, embedded: int, connection: Connection
    ) -> None:
        await self._staging.settle_within(connection, waiting, outcome, chunks, embedded)

    async def _refuse(self, waiting: WaitingDocument, error: WeftError) -> None:
        failure = failed(waiting.document_id, error)
        try:
            await patiently("refuse a document", partial(self._staging.refuse, waiting, failure.error))
        except Settled:
            return
        self.unnamed = (*self.unnamed, failure)
        self._count(FAILED, 0, 0)

    def _count(self, outcome: str, chunks: int, embedded: int) -> None:
        self.tally = self.tally.counting(outcome, chunks, embedded)
        self._counted()
