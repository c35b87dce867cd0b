"""Documents in PostgreSQL: one transaction puts a document in place of its older self and leaves nothing behind."""

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from pgvector import HalfVector
from psycopg.types.json import Jsonb

from weft.common.v1 import error_pb2
from weft_kit.errors import NotFound
from weft_retrieval.chunking import Chunk
from weft_retrieval.formats import ContentType
from weft_retrieval.metadata import Fact
from weft_retrieval.postgres import Connection, Database
from weft_retrieval.postgres_catalog import lock_collection, read_collection, to_document
from weft_retrieval.postgres_forgotten import note_forgotten
from weft_retrieval.postgres_postings import add_postings, drop_postings
from weft_retrieval.records import Collection, Document

_READ_LIMIT_S = 5.0
_WRITE_LIMIT_S = 120.0


@dataclass(frozen=True, slots=True)
class Entry:
    """A document to store, read and checked, without its content. Equal fingerprints mean that nothing changed."""

    document_id: str
    title: str
    source_uri: str
    content_type: ContentType
    metadata: Mapping[str, Any]
    facts: Sequence[Fact]
    content_hash: str
    fingerprint: str


@dataclass(frozen=True, slots=True)
class IndexedChunk:
    """A chunk with what the two legs need: its terms, and a vector for each of its windows."""

    chunk: Chunk
    terms: Counter[str]
    vectors: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Revision:
    """A document as it is to be: all its chunks, and those that are `new`, with vectors of `embedder`.

    `only_copy` keeps a new document out whose content is there under another id. `receipt` is called in the transaction
    that stores the document; what it raises undoes that.
    """

    entry: Entry
    chunks: Sequence[Chunk]
    new: Sequence[IndexedChunk]
    embedder: str
    time: datetime
    only_copy: bool = False
    receipt: Callable[[Connection], Awaitable[None]] | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """What is stored under a document id: nothing, or a document and the keys of its chunks."""

    collection: Collection
    document: Document | None
    fingerprint: str
    keys: frozenset[str]

    def same_content(self, other: "Standing") -> bool:
        return (self.fingerprint, self.keys) == (other.fingerprint, other.keys)


@dataclass(frozen=True, slots=True)
class Change:
    """How many chunks, windows and terms a write brought or, negative, took."""

    chunks: int = 0
    windows: int = 0
    length: int = 0

    def __add__(self, other: "Change") -> "Change":
        return Change(self.chunks + other.chunks, self.windows + other.windows, self.length + other.length)


class Documents:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def standing(self, tenant: str, collection: str, document_id: str) -> Standing:
        """Reads what is stored under an id; raises NotFound(COLLECTION_NOT_FOUND)."""
        async with self._database.transaction(tenant, _READ_LIMIT_S) as connection:
            return await _standing(connection, await read_collection(connection, tenant, collection), document_id)

    async def twin(self, tenant: str, collection: str, document_id: str, content_hash: str) -> Document | None:
        """Returns a document with this content and another id; None when there is none."""
        async with self._database.transaction(tenant, _READ_LIMIT_S) as connection:
            found = await read_collection(connection, tenant, collection)
            return await _twin(connection, found, document_id, content_hash)

    async def replace(self, seen: Standing, revision: Revision) -> Standing | None:
        """Stores a revision and returns how the document stands; None when another write came between."""
        old, keys = seen.collection, [chunk.key for chunk in revision.chunks]
        async with self._database.transaction(old.tenant, _WRITE_LIMIT_S) as connection:
            collection = await lock_collection(connection, old.tenant, old.name)
            standing = await _standing(connection, collection, revision.entry.document_id)
            if not standing.same_content(seen) or collection.embedder not in {"", revision.embedder}:
                return None
            if revision.only_copy and not seen.document and await _is_copy(connection, collection, revision):
                return None
            document = await _put_document(connection, collection, revision)
            change = await _add_chunks(connection, collection, document, revision.new)
            if seen.document:
                change += await _drop_chunks(connection, collection, document, keep=keys)
                await _order_chunks(connection, document, revision.chunks)
            if revision.new and not collection.embedder:
                await _set_embedder(connection, collection, revision)
            version = await _count(connection, collection, change, documents=0 if seen.document else 1)
            if seen.document:
                await note_forgotten(connection, collection, revision.entry.document_id, version)
            if revision.receipt:
                await revision.receipt(connection)
            collection = await read_collection(connection, old.tenant, old.name)
            return Standing(collection, _stored(revision), revision.entry.fingerprint, frozenset(keys))

    async def delete(self, tenant: str, name: str, document_id: str) -> int:
        """Deletes a document with all its chunks and returns the collection's new version; raises NotFound."""
        async with self._database.transaction(tenant, _WRITE_LIMIT_S) as connection:
            collection = await lock_collection(connection, tenant, name)
            query = "SELECT id FROM documents WHERE collection_id = %s AND document_id = %s"
            row = await (await connection.execute(query, (collection.id, document_id))).fetchone()
            if row is None:
                message = f"there is no document {document_id!r} in {name!r}; ListDocuments shows those there are"
                raise NotFound(error_pb2.ERROR_REASON_DOCUMENT_NOT_FOUND, message, document_id=document_id)
            change = await _drop_chunks(connection, collection, row[0], keep=[])
            await connection.execute("DELETE FROM documents WHERE id = %s", row)
            version = await _count(connection, collection, change, documents=-1)
            await note_forgotten(connection, collection, document_id, version)
            return version


async def _standing(connection: Connection, collection: Collection, document_id: str) -> Standing:
    rows = await connection.execute(
        """
        SELECT d.fingerprint, ARRAY(SELECT replace(c.key::text, '-', '') FROM chunks c WHERE c.document = d.id),
               d.document_id, d.title, d.source_uri, d.content_type, d.metadata, d.content_hash, d.chunk_count,
               d.ingest_time
        FROM documents d WHERE d.collection_id = %s AND d.document_id = %s
        """,
        (collection.id, document_id),
    )
    row = await rows.fetchone()
    if row is None:
        return Standing(collection, None, "", frozenset())
    fingerprint, keys, *columns = row
    return Standing(collection, to_document(tuple(columns)), fingerprint, frozenset(keys))


async def _twin(connection: Connection, collection: Collection, document_id: str, content_hash: str) -> Document | None:
    rows = await connection.execute(
        """
        SELECT document_id, title, source_uri, content_type, metadata, content_hash, chunk_count, ingest_time
        FROM documents WHERE collection_id = %s AND content_hash = %s AND document_id <> %s ORDER BY id LIMIT 1
        """,
        (collection.id, content_hash, document_id),
    )
    row = await rows.fetchone()
    return to_document(row) if row else None


async def _is_copy(connection: Connection, collection: Collection, revision: Revision) -> bool:
    entry = revision.entry
    return await _twin(connection, collection, entry.document_id, entry.content_hash) is not None


async def _put_document(connection: Connection, collection: Collection, revision: Revision) -> int:
    """Writes the document's row and facts; returns its id."""
    entry, chunks = revision.entry, revision.chunks
    rows = await connection.execute(
        """
        INSERT INTO documents (collection_id, document_id, title, source_uri, content_type, metadata, content_hash,
                               fingerprint, chunk_count, window_count, ingest_time)
        VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
        ON CONFLICT (collection_id, document_id) DO UPDATE SET
            title = excluded.title, source_uri = excluded.source_uri, content_type = excluded.content_type,
            metadata = excluded.metadata, content_hash = excluded.content_hash, fingerprint = excluded.fingerprint,
            chunk_count = excluded.chunk_count, window_count = excluded.window_count,
            ingest_time = excluded.ingest_time
        RETURNING id
        """,
        (
            collection.id, entry.document_id, entry.title, entry.source_uri, entry.content_type,
            Jsonb(dict(entry.metadata)), entry.content_hash, entry.fingerprint, len(chunks),
            sum(len(chunk.windows) for chunk in chunks), revision.time,
        ),
    )  # fmt: skip
    (document,) = await rows.fetchone() or (0,)
    await connection.execute("DELETE FROM facts WHERE document = %s", (document,))
    # Not COPY, here and below: row-level security forbids it.
    facts = [(fact.key, fact.text, fact.number, fact.flag, fact.time) for fact in entry.facts]
    keys, texts, numbers, flags, times = zip(*facts, strict=True) if facts else ((), (), (), (), ())
    await connection.execute(
        """
        INSERT INTO facts (collection_id, document, key, text, number, flag, time)
        SELECT %s, %s, * FROM unnest(%s::text[], %s::text[], %s::float8[], %s::boolean[], %s::timestamptz[])
        """,
        (collection.id, document, *map(list, (keys, texts, numbers, flags, times))),
    )
    return int(document)


async def _add_chunks(
    connection: Connection, collection: Collection, document: int, new: Sequence[IndexedChunk]
) -> Change:
    if not new:
        return Change()
    rows = await connection.execute("SELECT nextval('chunks_id_seq') FROM generate_series(1, %s)", (len(new),))
    chunks = {chunk_id: added for (chunk_id,), added in zip(await rows.fetchall(), new, strict=True)}
    cursor = connection.cursor()
    await cursor.executemany(
        """
        INSERT INTO chunks (id, collection_id, document, key, ordinal, headings, body, length, terms, window_count)
        VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %b::text[], %s)
        """,
        [
            (
                chunk_id, collection.id, document, UUID(added.chunk.key), added.chunk.ordinal,
                list(added.chunk.headings), added.chunk.text, added.terms.total(), list(added.terms),
                len(added.chunk.windows),
            )
            for chunk_id, added in chunks.items()
        ],
    )  # fmt: skip
    await cursor.executemany(
        "INSERT INTO windows (chunk, collection_id, document, embedding) VALUES (%b, %b, %b, %b)",
        [
            (chunk_id, collection.id, document, HalfVector(vector))
            for chunk_id, added in chunks.items()
            for vector in added.vectors
        ],
    )
    await add_postings(connection, collection.id, {chunk_id: added.terms for chunk_id, added in chunks.items()})
    windows = sum(len(added.vectors) for added in new)
    return Change(len(new), windows, sum(added.terms.total() for added in new))


async def _drop_chunks(connection: Connection, collection: Collection, document: int, *, keep: Sequence[str]) -> Change:
    rows = await connection.execute(
        "DELETE FROM chunks WHERE document = %s AND key <> ALL(%s::uuid[]) RETURNING id, terms, window_count, length",
        (document, list(keep)),
    )
    gone = await rows.fetchall()
    if gone:
        await drop_postings(connection, collection.id, {chunk: terms for chunk, terms, _, _ in gone})
    return Change(-len(gone), -sum(windows for *_, windows, _ in gone), -sum(length for *_, length in gone))


async def _order_chunks(connection: Connection, document: int, chunks: Sequence[Chunk]) -> None:
    """Moves kept chunks to their new places."""
    await connection.execute(
        """
        UPDATE chunks c SET ordinal = u.ordinal FROM unnest(%s::uuid[], %s::int[]) u(key, ordinal)
        WHERE c.document = %s AND c.key = u.key AND c.ordinal <> u.ordinal
        """,
        ([chunk.key for chunk in chunks], [chunk.ordinal for chunk in chunks], document),
    )


async def _set_embedder(connection: Connection, collection: Collection, revision: Revision) -> None:
    query = "UPDATE collections SET embedder = %s, dimensions = %s WHERE id = %s"
    dimensions = revision.new[0].vectors.shape[1]
    await connection.execute(query, (revision.embedder, dimensions, collection.id))


def _stored(revision: Revision) -> Document:
    entry = revision.entry
    return Document(
        entry.document_id,
        entry.title,
        entry.source_uri,
        entry.content_type,
        entry.metadata,
        entry.content_hash,
        len(revision.chunks),
        revision.time,
    )


async def _count(connection: Connection, collection: Collection, change: Change, *, documents: int) -> int:
    """Brings the collection's counts up to date and returns its new version."""
    rows = await connection.execute(
        """
        UPDATE collections SET version = version + 1, document_count = document_count + %s,
            chunk_count = chunk_count + %s, window_count = window_count + %s, total_length = total_length + %s
        WHERE id = %s RETURNING version
        """,
        (documents, change.chunks, change.windows, change.length, collection.id),
    )
    (version,) = await rows.fetchone() or (0,)
    return int(version)
