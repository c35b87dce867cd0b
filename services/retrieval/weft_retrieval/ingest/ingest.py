"""Ingest: parses and splits a document, embeds what is new, and replaces what was stored."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from functools import partial

import numpy as np
from prometheus_client import Counter as Metric

from weft_kit.logging import note
from weft_kit.rpc.errors import Overloaded
from weft_kit.stores.postgres import Connection
from weft_retrieval.document_processes.messages import AnalysedChunk, ReadDocument, ReadOrder
from weft_retrieval.document_processes.pool import DocumentProcesses
from weft_retrieval.inference.batches import SharedBatches
from weft_retrieval.metadata import Fact, facts
from weft_retrieval.records import Collection, Document
from weft_retrieval.storage.documents import DocumentStore
from weft_retrieval.storage.index import HnswIndexes
from weft_retrieval.storage.revisions import (
    IndexedChunk,
    IndexEntry,
    IndexStanding,
    Revision,
)
from weft_retrieval.uploads import Upload, check_upload

INGESTED = Metric("weft_retrieval_documents", "Documents ingested.", ["outcome"])
EMBEDDED = Metric("weft_retrieval_embedded_chunks", "Chunks embedded.")

# Every lost race means that another write of this very document succeeded.
_RACES = 5


class IngestOutcome(StrEnum):
    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    DUPLICATE = "duplicate"
    """Its content exists under another id."""


Receipt = Callable[[IngestOutcome, int, int, Connection], Awaitable[None]]
"""Receives outcome, chunks and embedded chunks in the transaction that stores a document; an exception undoes that."""


@dataclass(frozen=True, slots=True)
class Ingested:
    """The result of an ingest. `document` is what is stored now; with DUPLICATE the one under the other id."""

    document: Document
    outcome: IngestOutcome
    collection_version: int
    embedded_chunks: int


class Ingestor:
    def __init__(
        self,
        documents: DocumentStore,
        embedder: SharedBatches,
        processes: DocumentProcesses,
        indexes: HnswIndexes,
        *,
        max_bytes: int,
        writes_at_once: int,
    ) -> None:
        self._documents = documents
        self._embedder = embedder
        self._processes = processes
        self._indexes = indexes
        self._max_bytes = max_bytes
        # Writers of one collection wait for each other inside PostgreSQL, with connections that searches need.
        self._writing = asyncio.Semaphore(writes_at_once)

    def check(self, upload: Upload) -> Sequence[Fact]:
        """Returns the facts of a document that may be ingested, as far as can be seen from outside; raises Invalid."""
        check_upload(upload, self._max_bytes)
        return facts(upload.metadata)

    async def ingest(
        self,
        tenant: str,
        collection: str,
        upload: Upload,
        *,
        only_copy: bool = False,
        receipt: Receipt | None = None,
    ) -> Ingested:
        """Stores a document; the same one again does nothing. Embedding happens outside of any transaction.

        Two ingests of one document cannot mix: the second sees the result of the first, and starts again. With
        `only_copy` a new document whose content exists under another id is skipped.
        """
        known = self.check(upload)
        upload = replace(upload, document_id=upload.document_id or upload.content_hash)
        read: ReadDocument | None = None
        order: ReadOrder | None = None
        for _ in range(_RACES):
            seen = await self._documents.standing(tenant, collection, upload.document_id)
            if needless := await self._needless(seen, upload, only_copy=only_copy):
                return needless
            # Another collection may have the name by now, with other settings for splitting.
            if read is None or order != _order(upload, seen.collection):
                order = _order(upload, seen.collection)
                read = await self._processes.read(tenant, order, upload.content)
            entry = _entry(upload, read, known)
            if stored := await self._store(seen, entry, read.chunks, only_copy=only_copy, receipt=receipt):
                return stored
        message = f"document {upload.document_id!r} is being replaced over and over; send one version of it at a time"
        raise Overloaded(message, retry_after_s=0.5)

    async def _needless(self, seen: IndexStanding, upload: Upload, *, only_copy: bool) -> Ingested | None:
        """Returns why there is nothing to store; None if there is something."""
        if seen.document:
            same = seen.fingerprint == upload.fingerprint
            return _done(seen, seen.document, IngestOutcome.UNCHANGED, 0) if same else None
        if only_copy:
            at = seen.collection
            twin = await self._documents.twin(at.tenant, at.name, upload.document_id, upload.content_hash)
            return _done(seen, twin, IngestOutcome.DUPLICATE, 0) if twin else None
        return None

    async def _store(
        self,
        seen: IndexStanding,
        entry: IndexEntry,
        chunks: Sequence[AnalysedChunk],
        *,
        only_copy: bool,
        receipt: Receipt | None,
    ) -> Ingested | None:
        """Embeds what is new and stores the document; None when another write came between."""
        new = [analysed for analysed in chunks if analysed.chunk.key not in seen.keys]
        indexed, embedder = await self._index(seen.collection, new)
        outcome = IngestOutcome.UPDATED if seen.document else IngestOutcome.CREATED
        told = partial(receipt, outcome, len(chunks), len(new)) if receipt else None
        all_chunks = [analysed.chunk for analysed in chunks]
        revision = Revision(entry, all_chunks, indexed, embedder, datetime.now(UTC), only_copy, told)
        async with self._writing:
            after = await self._documents.replace(seen, revision)
        if after is None or after.document is None:
            return None
        self._indexes.consider(after.collection)
        return _done(after, after.document, outcome, len(new))

    async def _index(self, collection: Collection, new: Sequence[AnalysedChunk]) -> tuple[list[IndexedChunk], str]:
        """Returns the chunks with terms and vectors, and the embedder that made these."""
        if not new:
            return [], collection.embedder
        vectors = await self._embedder.documents([window for analysed in new for window in analysed.chunk.windows])
        vectors.check_comparable(collection.name, collection.embedder)
        ends = np.cumsum([len(analysed.chunk.windows) for analysed in new])
        windows = zip(np.split(vectors.rows, ends[:-1]), np.split(vectors.is_read, ends[:-1]), strict=True)
        # An unreadable text has a vector near others of its kind, whatever they say.
        parts = [rows[is_read] for rows, is_read in windows]
        indexed = [IndexedChunk(found.chunk, found.terms, rows) for found, rows in zip(new, parts, strict=True)]
        return indexed, vectors.embedder


def _order(upload: Upload, collection: Collection) -> ReadOrder:
    return ReadOrder(
        upload.document_id,
        upload.title,
        upload.source_uri,
        upload.content_type,
        collection.chunking,
        upload.language or collection.language,
    )


def _entry(upload: Upload, read: ReadDocument, known: Sequence[Fact]) -> IndexEntry:
    return IndexEntry(
        document_id=upload.document_id,
        title=read.title,
        source_uri=upload.source_uri,
        content_type=read.content_type,
        metadata=upload.metadata,
        facts=known,
        content_hash=upload.content_hash,
        fingerprint=upload.fingerprint,
        language=read.language,
        language_given=bool(upload.language),
    )


def _done(standing: IndexStanding, document: Document, outcome: IngestOutcome, embedded: int) -> Ingested:
    INGESTED.labels(outcome).inc()
    EMBEDDED.inc(embedded)
    note(collection=standing.collection.name, outcome=outcome, chunks=document.chunk_count, embedded=embedded)
    return Ingested(document, outcome, standing.collection.version, embedded)
