"""The outbox of documents that changed or went, for whoever keeps answers built on them."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from weft_retrieval.postgres import Connection, Database
from weft_retrieval.records import Collection

_LIMIT_S = 30.0


@dataclass(frozen=True, slots=True)
class Forgotten:
    """Documents of one collection, and its version since the last of them changed."""

    tenant: str
    collection: str
    document_ids: Sequence[str]
    version: int


async def note_forgotten(connection: Connection, collection: Collection, document_id: str) -> None:
    """Writes a document down in the transaction that changes or deletes it; the collection is as it is since."""
    await connection.execute(
        "INSERT INTO forgotten_documents (tenant, collection, document_id, version) VALUES (%s, %s, %s, %s)",
        (collection.tenant, collection.name, document_id, collection.version),
    )


class Outbox:
    def __init__(self, database: Database) -> None:
        self._database = database

    @asynccontextmanager
    async def taken(self, limit: int) -> AsyncIterator[list[Forgotten]]:
        """Yields the oldest documents, `limit` at most, by collection; leaving without an error crosses them out.

        Replicas never hold the same ones.
        """
        query = """
            DELETE FROM retrieval.forgotten_documents WHERE id IN (
                SELECT id FROM retrieval.forgotten_documents ORDER BY id LIMIT %s FOR UPDATE SKIP LOCKED
            )
            RETURNING tenant, collection, document_id, version
        """
        async with self._database.upkeep(_LIMIT_S) as connection, connection.transaction():
            yield _by_collection(await (await connection.execute(query, (limit,))).fetchall())


def _by_collection(rows: Sequence[tuple[str, str, str, int]]) -> list[Forgotten]:
    groups: dict[tuple[str, str], dict[str, int]] = {}
    for tenant, collection, document_id, version in rows:
        groups.setdefault((tenant, collection), {})[document_id] = version
    return [
        Forgotten(tenant, collection, list(documents), max(documents.values()))
        for (tenant, collection), documents in groups.items()
    ]
