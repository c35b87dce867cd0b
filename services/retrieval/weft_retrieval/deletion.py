"""Deletion of a whole collection: its documents, its staged uploads, its index, and the answers based on it."""

from typing import LiteralString

from weft.common.v1 import error_pb2
from weft_kit.rpc.errors import FailedPrecondition
from weft_kit.stores.postgres import Connection
from weft_retrieval.records import Collection
from weft_retrieval.storage.collections import lock_collection
from weft_retrieval.storage.index import HnswIndexes
from weft_retrieval.storage.postgres import TenantDatabase

_LIMIT_S = 110.0
_RUNNING = """
    SELECT job_id FROM uploads
    WHERE collection_id = %s AND job_id IS NOT NULL AND end_time IS NULL AND expire_time > now() LIMIT 1
"""
# As note_forgotten does for one document.
_NOTE_FORGOTTEN = """
    INSERT INTO forgotten_documents (tenant, collection, document_id, version)
    SELECT %s, %s, document_id, %s FROM documents WHERE collection_id = %s
"""
# Invalidations that the cache refused are deleted with their collection.
_FORGET_SET_ASIDE = """
    DELETE FROM forgotten_documents WHERE tenant = %s AND collection = %s AND next_time = 'infinity'
"""
_NOTE_VERSION = """
    INSERT INTO deleted_collections (tenant, name, version) VALUES (%s, %s, %s)
    ON CONFLICT (tenant, name) DO UPDATE SET version = excluded.version
"""
# What has no foreign key that would delete it, and windows, which are many, at once instead of chunk by chunk.
_CLEAR: tuple[LiteralString, ...] = (
    "DELETE FROM postings WHERE collection_id = %s",
    "DELETE FROM segments WHERE collection_id = %s",
    "DELETE FROM windows WHERE collection_id = %s",
    "DELETE FROM collections WHERE id = %s",
)


class CollectionDeletion:
    def __init__(self, database: TenantDatabase, indexes: HnswIndexes) -> None:
        self._database = database
        self._indexes = indexes

    async def delete(self, tenant: str, name: str) -> int:
        """Deletes a collection; returns how many documents it had.

        Raises:
            NotFound: there is none of that name.
            FailedPrecondition: an ingest job still stores into it.
        """
        async with self._database.transaction(tenant, _LIMIT_S) as connection:
            collection = await lock_collection(connection, tenant, name)
            await _refuse_while_busy(connection, collection)
            version = collection.version + 1
            await connection.execute(_FORGET_SET_ASIDE, (tenant, name))
            await connection.execute(_NOTE_FORGOTTEN, (tenant, name, version, collection.id))
            await connection.execute(_NOTE_VERSION, (tenant, name, version))
            for statement in _CLEAR:
                await connection.execute(statement, (collection.id,))
        self._indexes.consider_deleted()
        return collection.document_count


async def _refuse_while_busy(connection: Connection, collection: Collection) -> None:
    if row := await (await connection.execute(_RUNNING, (collection.id,))).fetchone():
        message = f"job {row[0]} still stores into {collection.name!r}; wait for it, or cancel it first"
        raise FailedPrecondition(error_pb2.ERROR_REASON_COLLECTION_BUSY, message, job_id=row[0])
