"""Documents in PostgreSQL: one transaction replaces a document's former version and leaves nothing behind."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import LiteralString

from psycopg.types.json import Jsonb

from weft.common.v1 import error_pb2
from weft_kit.rpc.errors import NotFound
from weft_kit.stores.postgres import Connection
from weft_retrieval.analysis.analyses import changed, to_stored
from weft_retrieval.records import Collection, Document
from weft_retrieval.storage.chunks import (
    add_chunks,
    drop_chunks,
    note_misread,
    order_chunks,
)
from weft_retrieval.storage.collections import (
    COLUMNS,
    DOCUMENT_COLUMNS,
    ask_for_lock,
    lock_collection,
    one_collection,
    read_collection,
    to_collection,
    to_document,
)
from weft_retrieval.storage.invalidation_outbox import note_forgotten
from weft_retrieval.storage.postgres import Rows, TenantDatabase
from weft_retrieval.storage.postings import pack_postings
from weft_retrieval.storage.revisions import (
    Change,
    IndexEntry,
    IndexStanding,
    Revision,
)

_READ_LIMIT_S = 5.0
_WRITE_LIMIT_S = 120.0
_STANDING: LiteralString = f"""
    SELECT d.id, d.fingerprint, ARRAY(SELECT replace(c.key::text, '-', '') FROM chunks c WHERE c.document = d.id),
           {DOCUMENT_COLUMNS}
    FROM documents d WHERE d.collection_id = %s AND d.document_id = %s
"""  # noqa: S608 - literals
_TWIN: LiteralString = (
    f"SELECT {DOCUMENT_COLUMNS} FROM documents "  # noqa: S608 - literals
    "WHERE collection_id = %s AND content_hash = %s AND document_id <> %s ORDER BY id LIMIT 1"
)
_TAKE_IDS = "SELECT nextval('documents_id_seq'), ARRAY(SELECT nextval('chunks_id_seq') FROM generate_series(1, %s))"
_PUT = """
    INSERT INTO documents (id, collection_id, document_id, title, source_uri, content_type, metadata, content_hash,
                           fingerprint, chunk_count, window_count, ingest_time, language, language_given)
    VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
    ON CONFLICT (collection_id, document_id) DO UPDATE SET
        title = excluded.title, source_uri = excluded.source_uri, content_type = excluded.content_type,
        metadata = excluded.metadata, content_hash = excluded.content_hash, fingerprint = excluded.fingerprint,
        chunk_count = excluded.chunk_count, window_count = excluded.window_count, ingest_time = excluded.ingest_time,
        language = excluded.language, language_given = excluded.language_given
"""
_COUNT: LiteralString = """
    UPDATE collections SET version = version + 1, document_count = document_count + %(documents)s,
        chunk_count = chunk_count + %(chunks)s, window_count = window_count + %(windows)s,
        total_length = total_length + %(length)s, fresh_chunks = fresh_chunks + %(new_chunks)s, analysed = %(analysed)s
    WHERE id = %(id)s RETURNING fresh_chunks,
"""


@dataclass(frozen=True, slots=True)
class _Claim:
    """A collection locked, how a document stands in it, the id of its row, and ids for its new chunks."""

    collection: Collection
    standing: IndexStanding
    document: int
    chunks: Sequence[int]


class DocumentStore:
    def __init__(self, database: TenantDatabase) -> None:
        self._database = database

    async def standing(self, tenant: str, collection: str, document_id: str) -> IndexStanding:
        """Reads what is stored under an id; raises NotFound(COLLECTION_NOT_FOUND)."""
        async with self._database.transaction(tenant, _READ_LIMIT_S) as connection:
            found = await read_collection(connection, tenant, collection)
            return (await _standing(await connection.execute(_STANDING, (found.id, document_id)), found))[1]

    async def twin(self, tenant: str, collection: str, document_id: str, content_hash: str) -> Document | None:
        """Returns a document with this content and another id; None when there is none."""
        async with self._database.transaction(tenant, _READ_LIMIT_S) as connection:
            found = await read_collection(connection, tenant, collection)
            return await _twin(connection, found, document_id, content_hash)

    async def replace(self, seen: IndexStanding, revision: Revision) -> IndexStanding | None:
        """Stores a revision and returns the resulting document; None if another write came between.

        The collection's other writers wait meanwhile, so whatever can be is sent without waiting for the answers.
        """
        old, keys = seen.collection, [chunk.key for chunk in revision.chunks]
        async with self._database.transaction(old.tenant, _WRITE_LIMIT_S) as connection:
            async with connection.pipeline():
                claim = await _claim(connection, seen, revision)
            if not claim.standing.same_content(seen) or claim.collection.embedder not in {"", revision.embedder}:
                return None
            if claim.collection.language != old.language and not revision.entry.language_given:
                return None
            if revision.only_copy and not seen.document and await _is_copy(connection, claim.collection, revision):
                return None
            async with connection.pipeline():
                change = await _write(connection, claim, revision, keys)
                collection = await _count(connection, claim.collection, change)
                if seen.document:
                    await note_forgotten(connection, collection, revision.entry.document_id)
            if revision.receipt:
                await revision.receipt(connection)
            return IndexStanding(collection, revision.stored(), revision.entry.fingerprint, frozenset(keys))

    async def delete(self, tenant: str, name: str, document_id: str) -> int:
        """Deletes a document with all its chunks and returns the collection's new version; raises NotFound."""
        async with self._database.transaction(tenant, _WRITE_LIMIT_S) as connection:
            collection = await lock_collection(connection, tenant, name)
            query = "SELECT id FROM documents WHERE collection_id = %s AND document_id = %s"
            row = await (await connection.execute(query, (collection.id, document_id))).fetchone()
            if row is None:
                message = f"there is no document {document_id!r} in {name!r}; ListDocuments shows those there are"
                raise NotFound(error_pb2.ERROR_REASON_DOCUMENT_NOT_FOUND, message, document_id=document_id)
            change = await drop_chunks(connection, collection, row[0], keep=[])
            await connection.execute("DELETE FROM documents WHERE id = %s", row)
            collection = await _count(connection, collection, change + Change(documents=-1))
            await note_forgotten(connection, collection, document_id)
            return collection.version


async def _claim(connection: Connection, seen: IndexStanding, revision: Revision) -> _Claim:
    """Locks the collection, sees how the document stands by then, and takes ids, higher than those of all before."""
    locked = await ask_for_lock(connection, seen.collection.tenant, seen.collection.name)
    standing = await connection.execute(_STANDING, (seen.collection.id, revision.entry.document_id))
    taken = await connection.execute(_TAKE_IDS, (len(revision.new),))
    collection = await one_collection(locked, seen.collection.name)
    document, stands = await _standing(standing, collection)
    fresh, chunks = await taken.fetchone() or (0, ())
    return _Claim(collection, stands, document or fresh, chunks)


async def _standing(rows: Rows, collection: Collection) -> tuple[int, IndexStanding]:
    """Reads the answer to _STANDING: the id of the document's row, 0 when there is none, and how it stands."""
    row = await rows.fetchone()
    if row is None:
        return 0, IndexStanding(collection, None, "", frozenset())
    document, fingerprint, keys, *columns = row
    return document, IndexStanding(collection, to_document(tuple(columns)), fingerprint, frozenset(keys))


async def _twin(connection: Connection, collection: Collection, document_id: str, content_hash: str) -> Document | None:
    rows = await connection.execute(_TWIN, (collection.id, content_hash, document_id))
    row = await rows.fetchone()
    return to_document(row) if row else None


async def _is_copy(connection: Connection, collection: Collection, revision: Revision) -> bool:
    entry = revision.entry
    return await _twin(connection, collection, entry.document_id, entry.content_hash) is not None


async def _write(connection: Connection, claim: _Claim, revision: Revision, keys: Sequence[str]) -> Change:
    """Writes a document and its chunks, and takes those it no longer has."""
    collection, document = claim.collection, claim.document
    is_new = claim.standing.document is None
    await _put_document(connection, claim, revision)
    await _put_facts(connection, collection, document, revision.entry, is_new=is_new)
    by_id = dict(zip(claim.chunks, revision.new, strict=True))
    change = await add_chunks(connection, collection, document, revision.entry.language, by_id)
    if not is_new:
        change += await drop_chunks(connection, collection, document, keep=keys)
        await order_chunks(connection, document, revision.chunks)
        await note_misread(connection, collection, [document])
    if revision.new and not collection.embedder:
        query = "UPDATE collections SET embedder = %s, dimensions = %s WHERE id = %s"
        await connection.execute(query, (revision.embedder, revision.dimensions, collection.id))
    return change + Change(documents=int(is_new))


async def _put_document(connection: Connection, claim: _Claim, revision: Revision) -> None:
    entry, chunks = revision.entry, revision.chunks
    await connection.execute(
        _PUT,
        (
            claim.document, claim.collection.id, entry.document_id, entry.title, entry.source_uri, entry.content_type,
            Jsonb(dict(entry.metadata)), entry.content_hash, entry.fingerprint, len(chunks),
            sum(len(chunk.windows) for chunk in chunks), revision.time, entry.language, entry.language_given,
        ),
    )  # fmt: skip


async def _put_facts(
    connection: Connection, collection: Collection, document: int, entry: IndexEntry, *, is_new: bool
) -> None:
    if not is_new:
        await connection.execute("DELETE FROM facts WHERE document = %s", (document,))
    if not entry.facts:
        return
    facts = [(fact.key, fact.text, fact.number, fact.flag, fact.time) for fact in entry.facts]
    await connection.execute(
        """
        INSERT INTO facts (collection_id, document, key, text, number, flag, time)
        SELECT %s, %s, * FROM unnest(%s::text[], %s::text[], %s::float8[], %s::boolean[], %s::timestamptz[])
        """,
        (collection.id, document, *map(list, zip(*facts, strict=True))),
    )


async def _count(connection: Connection, collection: Collection, change: Change) -> Collection:
    """Brings a locked collection's counts up to date, packs its postings when that is due, and returns it as it is."""
    analysed = changed(collection.analysed, change.analysed)
    rows = await connection.execute(
        _COUNT + COLUMNS, {"id": collection.id, **asdict(change), "analysed": Jsonb(to_stored(analysed))}
    )
    (fresh_chunks, *columns) = await rows.fetchone() or ()
    await pack_postings(connection, collection.id, fresh_chunks)
    return to_collection(columns)
