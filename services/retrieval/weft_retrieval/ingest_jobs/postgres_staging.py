"""The documents of a job in PostgreSQL: those that wait, and those with an outcome."""

from dataclasses import dataclass

from weft.job.v1 import ingest_pb2, job_pb2
from weft_kit.stores.postgres import Connection
from weft_retrieval.formats import ContentType
from weft_retrieval.ingest_jobs.postgres_uploads import StagedUpload
from weft_retrieval.ingest_jobs.progress import FAILED, MAX_FAILURES, Progress
from weft_retrieval.storage.postgres import TenantDatabase
from weft_retrieval.uploads import Upload

_LIMIT_S = 10.0
_PAGE = 1000


@dataclass(frozen=True, slots=True)
class WaitingDocument:
    """A document without an outcome, by its place. `readings` counts the attempts that began with it."""

    position: int
    document_id: str
    content_bytes: int
    readings: int


class Settled(Exception):
    """The document already has an outcome: two workers believe that the job is theirs."""


class Staging:
    """One job's documents."""

    def __init__(self, database: TenantDatabase, tenant: str, batch: StagedUpload) -> None:
        self._database = database
        self._tenant = tenant
        self._batch = batch

    async def waiting(self, after: int) -> list[WaitingDocument]:
        """Returns the next documents without an outcome, those after a position, a thousand at most."""
        query = """
            SELECT position, document_id, content_bytes, readings FROM staged_documents
            WHERE upload = %s AND position > %s AND outcome = 'waiting' ORDER BY position LIMIT %s
        """
        async with self._database.transaction(self._tenant, _LIMIT_S) as connection:
            rows = await connection.execute(query, (self._batch.id, after, _PAGE))
            return [WaitingDocument(*row) for row in await rows.fetchall()]

    async def read(self, waiting: WaitingDocument) -> Upload:
        """Returns a document, and counts that it was read; raises Settled."""
        query = """
            UPDATE staged_documents SET readings = readings + 1
            WHERE upload = %s AND position = %s AND outcome = 'waiting'
            RETURNING content, document_id, title, source_uri, content_type, metadata, language
        """
        async with self._database.transaction(self._tenant, _LIMIT_S) as connection:
            row = await (await connection.execute(query, (self._batch.id, waiting.position))).fetchone()
        if row is None:
            raise Settled
        content, document_id, title, source_uri, content_type, metadata, language = row
        kind = ContentType(content_type) if content_type else None
        return Upload(content, document_id, title, source_uri, kind, metadata, language)

    async def forget_readings(self) -> None:
        """Resets the readings of waiting documents: the attempt that read them ended in good order."""
        query = "UPDATE staged_documents SET readings = 0 WHERE upload = %s AND outcome = 'waiting' AND readings > 0"
        async with self._database.transaction(self._tenant, _LIMIT_S) as connection:
            await connection.execute(query, (self._batch.id,))

    async def settle(self, waiting: WaitingDocument, outcome: str, chunks: int) -> None:
        """Gives a document that was not stored its outcome; raises Settled."""
        async with self._database.transaction(self._tenant, _LIMIT_S) as connection:
            await self.settle_within(connection, waiting, outcome, chunks, 0)

    async def settle_within(
        self, connection: Connection, waiting: WaitingDocument, outcome: str, chunks: int, embedded: int
    ) -> None:
        """Sets a document's outcome in the transaction that stores it; raises Settled, which must undo that."""
        query = """
            UPDATE staged_documents SET outcome = %s, chunks = %s, embedded = %s, content = NULL
            WHERE upload = %s AND position = %s AND outcome = 'waiting'
        """
        place = (self._batch.id, waiting.position)
        if not (await connection.execute(query, (outcome, chunks, embedded, *place))).rowcount:
            raise Settled

    async def refuse(self, waiting: WaitingDocument, error: job_pb2.JobError) -> None:
        """Sets the outcome of a document that cannot be stored; raises Settled."""
        query = "UPDATE staged_documents SET reason = %s, message = %s WHERE upload = %s AND position = %s"
        async with self._database.transaction(self._tenant, _LIMIT_S) as connection:
            await self.settle_within(connection, waiting, FAILED, 0, 0)
            await connection.execute(query, (error.reason, error.message, self._batch.id, waiting.position))

    async def tally(self) -> Progress:
        """Counts the documents by outcome."""
        query = """
            SELECT outcome, count(*), sum(chunks)::bigint, sum(embedded)::bigint FROM staged_documents
            WHERE upload = %s GROUP BY outcome
        """
        async with self._database.transaction(self._tenant, _LIMIT_S) as connection:
            found = await (await connection.execute(query, (self._batch.id,))).fetchall()
        outcomes = {outcome: count for outcome, count, *_ in found if outcome != "waiting"}
        return Progress(self._batch.documents, outcomes, sum(row[2] for row in found), sum(row[3] for row in found))

    async def failures(self, limit: int | None = MAX_FAILURES) -> list[ingest_pb2.FailedDocument]:
        """Returns documents that could not be stored, in their order."""
        query = """
            SELECT document_id, reason, message FROM staged_documents
            WHERE upload = %s AND outcome = %s ORDER BY position LIMIT %s
        """
        async with self._database.transaction(self._tenant, _LIMIT_S) as connection:
            rows = await connection.execute(query, (self._batch.id, FAILED, limit))
            return [
                ingest_pb2.FailedDocument(
                    document_id=document_id, error=job_pb2.JobError(reason=reason, message=message)
                )
                for document_id, reason, message in await rows.fetchall()
            ]
