"""Ingest: read, cut, embed what is new, and put it in place of what was there."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from functools import partial

import numpy as np
from prometheus_client import Counter as Metric

from weft_kit.errors import Overloaded
from weft_kit.logging import note
from weft_retrieval.analysis import analyzer
from weft_retrieval.chunking import Chunk, Chunking, Cutter
from weft_retrieval.formats import parse, unreadable
from weft_retrieval.hnsw_indexes import HnswIndexes
from weft_retrieval.metadata import Fact, facts
from weft_retrieval.postgres import Connection
from weft_retrieval.postgres_documents import Documents
from weft_retrieval.records import Collection, Document
from weft_retrieval.revisions import Entry, IndexedChunk, Revision, Standing
from weft_retrieval.shared_batches import SharedBatches
from weft_retrieval.uploads import Upload, check_upload

INGESTED = Metric("weft_retrieval_documents", "Documents ingested.", ["outcome"])
EMBEDDED = Metric("weft_retrieval_embedded_chunks", "Chunks embedded.")

# Every lost race means that another write of this very document succeeded.
_RACES = 5


class Outcome(StrEnum):
    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    DUPLICATE = "duplicate"
    """Its content is there under another id."""


Receipt = Callable[[Outcome, int, int, Connection], Awaitable[None]]
"""Is told outcome, chunks and embedded chunks in the transaction that stores a document; what it raises undoes that."""


@dataclass(frozen=True, slots=True)
class Ingested:
    """What ingesting did. `document` is what stands now; with DUPLICATE the one under the other id."""

    document: Document
    outcome: Outcome
    collection_version: int
    embedded_chunks: int


@dataclass(frozen=True, slots=True)
class _Cut:
    """A document read and cut for one collection's chunking."""

    entry: Entry
    chunks: list[Chunk]


class Ingestor:
    def __init__(
        self,
        documents: Documents,
        embedder: SharedBatches,
        cutter: Cutter,
        indexes: HnswIndexes,
        *,
        max_bytes: int,
        writes_at_once: int,
    ) -> None:
        self._documents = documents
        self._embedder = embedder
        self._cutter = cutter
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

        Two ingests of one document cannot mix: the one that is second sees what the first left, and starts again. With
        `only_copy` a new document whose content is there under another id is left out.
        """
        known = self.check(upload)
        upload = replace(upload, document_id=upload.document_id or upload.content_hash)
        cut: _Cut | None = None
        for _ in range(_RACES):
            seen = await self._documents.standing(tenant, collection, upload.document_id)
            if needless := await self._needless(seen, upload, only_copy=only_copy):
                return needless
            if cut is None:
                cut = await asyncio.to_thread(self._cut, upload, known, seen.collection.chunking)
            if stored := await self._store(seen, cut, only_copy=only_copy, receipt=receipt):
                return stored
        message = f"document {upload.document_id!r} is being replaced over and over; send one version of it at a time"
        raise Overloaded(message, retry_after_s=0.5)

    async def _needless(self, seen: Standing, upload: Upload, *, only_copy: bool) -> Ingested | None:
        """Says why there is nothing to store; None when there is."""
        if seen.document:
            same = seen.fingerprint == upload.fingerprint
            return _done(seen, seen.document, Outcome.UNCHANGED, 0) if same else None
        if only_copy:
            at = seen.collection
            twin = await self._documents.twin(at.tenant, at.name, upload.document_id, upload.content_hash)
            return _done(seen, twin, Outcome.DUPLICATE, 0) if twin else None
        return None

    async def _store(self, seen: Standing, cut: _Cut, *, only_copy: bool, receipt: Receipt | None) -> Ingested | None:
        """Embeds what is new and stores the document; None when another write came between."""
        new = [chunk for chunk in cut.chunks if chunk.key not in seen.keys]
        indexed, embedder = await self._index(seen.collection, new)
        outcome = Outcome.UPDATED if seen.document else Outcome.CREATED
        told = partial(receipt, outcome, len(cut.chunks), len(new)) if receipt else None
        revision = Revision(cut.entry, cut.chunks, indexed, embedder, datetime.now(UTC), only_copy, told)
        async with self._writing:
            after = await self._documents.replace(seen, revision)
        if after is None or after.document is None:
            return None
        self._indexes.consider(after.collection)
        return _done(after, after.document, outcome, len(new))

    def _cut(self, upload: Upload, known: Sequence[Fact], chunking: Chunking) -> _Cut:
        kind = upload.kind()
        parsed = parse(upload.content, kind)
        title = upload.title_for(parsed)
        chunks = self._cutter.chunks(upload.document_id, title, parsed, chunking)
        if not chunks:
            raise unreadable("the document holds no words; leave it out, or send one that has some")
        entry = Entry(
            document_id=upload.document_id,
            title=title,
            source_uri=upload.source_uri,
            content_type=kind,
            metadata=upload.metadata,
            facts=known,
            content_hash=upload.content_hash,
            fingerprint=upload.fingerprint,
        )
        return _Cut(entry, chunks)

    async def _index(self, collection: Collection, new: Sequence[Chunk]) -> tuple[list[IndexedChunk], str]:
        """Returns the chunks with terms and vectors, and the embedder that made these."""
        if not new:
            return [], collection.embedder
        vectors = await self._embedder.documents([window for chunk in new for window in chunk.windows])
        vectors.check_comparable(collection.name, collection.embedder)
        terms = await asyncio.to_thread(_terms, new, collection.language)
        ends = np.cumsum([len(chunk.windows) for chunk in new])
        parts = np.split(vectors.rows, ends[:-1])
        return [IndexedChunk(*parts_of) for parts_of in zip(new, terms, parts, strict=True)], vectors.embedder


def _terms(chunks: Sequence[Chunk], language: str) -> list[Counter[str]]:
    analyze = analyzer(language)
    return [Counter(analyze(f"{chunk.context}\n{chunk.text}")) for chunk in chunks]


def _done(standing: Standing, document: Document, outcome: Outcome, embedded: int) -> Ingested:
    INGESTED.labels(outcome).inc()
    EMBEDDED.inc(embedded)
    note(collection=standing.collection.name, outcome=outcome, chunks=document.chunk_count, embedded=embedded)
    return Ingested(document, outcome, standing.collection.version, embedded)
