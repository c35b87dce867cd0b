"""The outbox of changed and deleted documents, for the cache of answers based on them."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from weft_kit.stores.postgres import Connection
from weft_retrieval.records import Collection
from weft_retrieval.storage.postgres import TenantDatabase

_LIMIT_S = 30.0
_MOST_REFUSALS = 12
"""Refusals after which a document is set aside: about two hours after the first."""
_TAKE = """
    SELECT id, tenant, collection, document_id, version FROM retrieval.forgotten_documents
    WHERE next_time <= now() ORDER BY id LIMIT %s FOR UPDATE SKIP LOCKED
"""
_CROSS_OUT = "DELETE FROM retrieval.forgotten_documents WHERE id = ANY(%s)"
_PUT_OFF = """
    UPDATE retrieval.forgotten_documents SET refusals = refusals + 1, reason = %(reason)s,
        next_time = CASE WHEN refusals + 1 >= %(most)s THEN 'infinity'
            ELSE now() + least(5 * 2 ^ refusals, 1800) * interval '1 second' END
    WHERE id = ANY(%(ids)s)
    RETURNING next_time = 'infinity'
"""


@dataclass(frozen=True, slots=True)
class Forgotten:
    """Documents of one collection, by their places in the outbox, and its version since the last of them changed."""

    tenant: str
    collection: str
    entries: Sequence[tuple[int, str]]
    version: int

    @property
    def document_ids(self) -> list[str]:
        return list(dict.fromkeys(document_id for _, document_id in self.entries))

    def halves(self) -> tuple["Forgotten", "Forgotten"]:
        middle = len(self.entries) // 2
        return replace(self, entries=self.entries[:middle]), replace(self, entries=self.entries[middle:])


class Taken:
    """Documents locked by this replica. The outcome of each is stored; the others stay as they are."""

    def __init__(self, connection: Connection, forgotten: Sequence[Forgotten]) -> None:
        self._connection = connection
        self.forgotten = forgotten

    async def told(self, documents: Forgotten) -> None:
        """Removes documents from the outbox."""
        await self._connection.execute(_CROSS_OUT, (_ids(documents),))

    async def refused(self, documents: Forgotten, reason: str) -> bool:
        """Postpones documents, longer each time; returns whether they are set aside for good."""
        parameters = {"ids": _ids(documents), "reason": reason, "most": _MOST_REFUSALS}
        (is_set_aside,) = await (await self._connection.execute(_PUT_OFF, parameters)).fetchone() or (False,)
        return bool(is_set_aside)


async def note_forgotten(connection: Connection, collection: Collection, document_id: str) -> None:
    """Adds a document in the transaction that changes or deletes it; `collection` is its state after that."""
    await connection.execute(
        "INSERT INTO forgotten_documents (tenant, collection, document_id, version) VALUES (%s, %s, %s, %s)",
        (collection.tenant, collection.name, document_id, collection.version),
    )


class InvalidationOutbox:
    def __init__(self, database: TenantDatabase) -> None:
        self._database = database

    @asynccontextmanager
    async def taken(self, limit: int) -> AsyncIterator[Taken]:
        """Yields the oldest documents that are due, `limit` at most, by collection; leaving without an error commits.

        Replicas never hold the same ones.
        """
        async with self._database.connection(_LIMIT_S) as connection, connection.transaction():
            rows = await (await connection.execute(_TAKE, (limit,))).fetchall()
            yield Taken(connection, _by_collection(rows))


def _ids(documents: Forgotten) -> list[int]:
    return [id_ for id_, _ in documents.entries]


def _by_collection(rows: Sequence[tuple[int, str, str, str, int]]) -> list[Forgotten]:
    groups: dict[tuple[str, str], list[tuple[int, str]]] = {}
    versions: dict[tuple[str, str], int] = {}
    for id_, tenant, collection, document_id, version in rows:
        key = (tenant, collection)
        groups.setdefault(key, []).append((id_, document_id))
        versions[key] = max(version, versions.get(key, 0))
    return [Forgotten(*key, entries, versions[key]) for key, entries in groups.items()]
