"""Collections and their documents: which ones a tenant has."""

from collections.abc import Sequence
from typing import Any, LiteralString

from psycopg.rows import TupleRow

from weft.common.v1 import error_pb2
from weft_kit.rpc.errors import AlreadyExists, NotFound
from weft_kit.stores.postgres import Connection
from weft_retrieval.analysis.analyses import from_stored
from weft_retrieval.analysis.analysis import ANALYSIS
from weft_retrieval.analysis.languages import DETECTED
from weft_retrieval.chunking.chunking import Chunking
from weft_retrieval.formats import ContentType
from weft_retrieval.records import Collection, Document
from weft_retrieval.storage.postgres import Rows, TenantDatabase

_LIMIT_S = 5.0
_UPDATE_LIMIT_S = 60.0
COLUMNS: LiteralString = """
    id, tenant, name, max_tokens, overlap_tokens, language, embedder, dimensions, version, document_count, chunk_count,
    window_count, total_length, hnsw, analysis, analysed, create_time
"""
_COLLECTION: LiteralString = f"SELECT {COLUMNS} FROM collections WHERE tenant = %(tenant)s"  # noqa: S608 - literals
_BY_NAME: LiteralString = _COLLECTION + " AND name = %(name)s"
DOCUMENT_COLUMNS: LiteralString = """
    document_id, title, source_uri, content_type, metadata, content_hash, chunk_count, ingest_time,
    coalesce(language, '')
"""
_DOCUMENTS: LiteralString = (
    f"SELECT {DOCUMENT_COLUMNS} FROM documents "  # noqa: S608 - literals
    "WHERE collection_id = %s AND document_id > %s ORDER BY document_id LIMIT %s"
)


# A collection without chunks has nothing to be analysed anew.
_SET_LANGUAGE = (
    "UPDATE collections SET language = %s, analysis = CASE WHEN chunk_count > 0 THEN 0 ELSE analysis END WHERE id = %s"
)
_UNSETTLE = "UPDATE documents SET language = NULL WHERE collection_id = %s AND NOT language_given"


class Collections:
    def __init__(self, database: TenantDatabase) -> None:
        self._database = database

    async def create(
        self, tenant: str, name: str, chunking: Chunking, language: str, default_language: str = DETECTED
    ) -> Collection:
        """Creates a collection, or returns the existing one; raises AlreadyExists if that one has other settings.

        An empty language is the default one, and none of one that is there.
        """
        async with self._database.transaction(tenant, _LIMIT_S) as connection:
            await connection.execute(
                """
                INSERT INTO collections (tenant, name, max_tokens, overlap_tokens, language, analysis, version)
                VALUES (%s, %s, %s, %s, %s, %s, coalesce(
                    (SELECT version FROM deleted_collections WHERE tenant = %s AND name = %s), 0
                )) ON CONFLICT DO NOTHING
                """,
                (
                    tenant,
                    name,
                    chunking.max_tokens,
                    chunking.overlap_tokens,
                    language or default_language,
                    ANALYSIS,
                    tenant,
                    name,
                ),
            )
            collection = await read_collection(connection, tenant, name)
        if collection.chunking != chunking:
            there = f"{collection.chunking.max_tokens} tokens, {collection.chunking.overlap_tokens} of overlap"
            message = f"collection {name!r} exists with chunks of {there}; use it so, or choose another name"
            raise AlreadyExists(error_pb2.ERROR_REASON_COLLECTION_EXISTS, message, collection=name)
        if language and collection.language != language:
            message = (
                f"collection {name!r} exists with the language {collection.language!r}; use it so, change it with"
                " UpdateCollection, or choose another name"
            )
            raise AlreadyExists(error_pb2.ERROR_REASON_COLLECTION_EXISTS, message, collection=name)
        return collection

    async def update(self, tenant: str, name: str, language: str) -> Collection:
        """Changes a collection's language; raises NotFound(COLLECTION_NOT_FOUND).

        Documents that were sent with one of their own keep it. The others get theirs, and new terms, in the background.
        """
        async with self._database.transaction(tenant, _UPDATE_LIMIT_S) as connection:
            collection = await lock_collection(connection, tenant, name)
            if collection.language == language:
                return collection
            await connection.execute(_SET_LANGUAGE, (language, collection.id))
            await connection.execute(_UNSETTLE, (collection.id,))
            return await read_collection(connection, tenant, name)

    async def collection(self, tenant: str, name: str) -> Collection:
        """Returns a collection; raises NotFound(COLLECTION_NOT_FOUND)."""
        rows = await self._database.rows(tenant, _LIMIT_S, _BY_NAME, {"tenant": tenant, "name": name})
        return _only_collection(rows[0] if rows else None, name)

    async def collections(self, tenant: str, after: str, count: int) -> list[Collection]:
        """Returns up to `count` collections by name, those after a name."""
        query = _COLLECTION + " AND name > %(after)s ORDER BY name LIMIT %(count)s"
        async with self._database.transaction(tenant, _LIMIT_S) as connection:
            rows = await connection.execute(query, {"tenant": tenant, "after": after, "count": count})
            return [to_collection(row) for row in await rows.fetchall()]

    async def page_token_key(self) -> bytes:
        """Returns the key that signs page tokens, the same for all replicas."""
        async with self._database.connection(_LIMIT_S) as connection:
            ((key,),) = await (await connection.execute("SELECT key FROM retrieval.page_token_key")).fetchall()
        return bytes(key)

    async def documents(self, tenant: str, name: str, after: str, count: int) -> list[Document]:
        """Returns up to `count` documents by id, those after an id; raises NotFound(COLLECTION_NOT_FOUND)."""
        async with self._database.transaction(tenant, _LIMIT_S) as connection:
            collection = await read_collection(connection, tenant, name)
            rows = await connection.execute(_DOCUMENTS, (collection.id, after, count))
            return [to_document(row) for row in await rows.fetchall()]


async def read_collection(connection: Connection, tenant: str, name: str) -> Collection:
    """Reads a tenant's collection: the only way from a tenant to a collection id, which all other queries need."""
    return await one_collection(await connection.execute(_BY_NAME, {"tenant": tenant, "name": name}), name)


async def lock_collection(connection: Connection, tenant: str, name: str) -> Collection:
    """Reads a collection and locks it against other writers until the transaction ends."""
    return await one_collection(await ask_for_lock(connection, tenant, name), name)


async def hold_collection(connection: Connection, tenant: str, name: str) -> Collection:
    """Reads a collection and protects it from deletion until the transaction ends."""
    rows = await connection.execute(_BY_NAME + " FOR KEY SHARE", {"tenant": tenant, "name": name})
    return await one_collection(rows, name)


async def ask_for_lock(connection: Connection, tenant: str, name: str) -> Rows:
    """Asks for what lock_collection does, in a pipeline perhaps; one_collection reads the answer."""
    return await connection.execute(_BY_NAME + " FOR UPDATE", {"tenant": tenant, "name": name})


async def one_collection(rows: Rows, name: str) -> Collection:
    """Reads the collection asked for by name; raises NotFound(COLLECTION_NOT_FOUND)."""
    return _only_collection(await rows.fetchone(), name)


def to_collection(row: Sequence[Any]) -> Collection:
    """Reads a row of COLUMNS."""
    collection_id, tenant, name, max_tokens, overlap_tokens, *counts, analysed, create_time = row
    rest = [*counts, from_stored(analysed), create_time]
    return Collection(collection_id, tenant, name, Chunking(max_tokens, overlap_tokens), *rest)


def to_document(row: TupleRow) -> Document:
    """Reads a row of DOCUMENT_COLUMNS."""
    document_id, title, source_uri, content_type, metadata, content_hash, chunk_count, ingest_time, language = row
    kind = ContentType(content_type)
    return Document(document_id, title, source_uri, kind, metadata, content_hash, chunk_count, ingest_time, language)


def _only_collection(row: TupleRow | None, name: str) -> Collection:
    if row is None:
        message = f"there is no collection {name!r}; create it with CreateCollection"
        raise NotFound(error_pb2.ERROR_REASON_COLLECTION_NOT_FOUND, message, collection=name)
    return to_collection(row)
