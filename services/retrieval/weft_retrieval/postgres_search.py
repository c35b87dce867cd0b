"""The two legs of a search over PostgreSQL: nearest windows by cosine, and BM25 over the postings.

Both take the same filter, and both name the tenant beside the collection: an id from elsewhere finds nothing.
"""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any, LiteralString

import numpy as np
from numpy.typing import NDArray
from pgvector import HalfVector
from psycopg import sql

from weft_retrieval.bm25 import Bm25, Leg, Ranking, rank
from weft_retrieval.filters import Compiled
from weft_retrieval.postgres import Connection, Database
from weft_retrieval.postgres_postings import read_postings
from weft_retrieval.records import Collection

_LIMIT_S = 10.0
# The windows of one chunk compete for the places an index scan returns.
_MAX_WINDOWS = 1000
# How many times the places wanted are looked through for allowed chunks, and then again that many times more.
_REACH = 8

_ALLOWED = sql.SQL("SELECT d.id FROM documents d WHERE d.collection_id = %(collection)s AND {}")
_EXACT = sql.SQL("""
    SELECT w.chunk, 1 - min(w.embedding <=> %(vector)s::halfvec) AS score
    FROM windows w WHERE w.collection_id = %(collection)s
        AND %(tenant)s = (SELECT l.tenant FROM collections l WHERE l.id = %(collection)s) {only}
    GROUP BY w.chunk ORDER BY score DESC, w.chunk LIMIT %(count)s
""")
_NEAREST = sql.SQL("""
    WITH nearest AS MATERIALIZED (
        SELECT w.chunk, w.embedding::halfvec({dimensions}) <=> %(vector)s::halfvec({dimensions}) AS distance
        FROM windows w WHERE w.collection_id = %(collection)s
            AND %(tenant)s = (SELECT l.tenant FROM collections l WHERE l.id = %(collection)s) {only}
        ORDER BY distance LIMIT %(windows)s
    )
    SELECT chunk, 1 - min(distance) AS score FROM nearest GROUP BY chunk ORDER BY score DESC, chunk LIMIT %(count)s
""")
_COUNT = sql.SQL("""
    SELECT coalesce(sum(f.window_count), 0) FROM (
        SELECT d.window_count FROM documents d
        WHERE d.collection_id = %(collection)s AND {condition} LIMIT %(few)s + 1
    ) f
""")
_ALLOWED_CHUNKS = sql.SQL("""
    SELECT string_agg(int8send(f.id), ''), count(*) FROM (
        SELECT k.id FROM documents d JOIN chunks k ON k.document = d.id
        WHERE d.collection_id = %(collection)s AND {condition} LIMIT %(few)s + 1
    ) f
""")
_ALLOWED_AMONG = sql.SQL("""
    SELECT string_agg(int8send(k.id), '') FROM chunks k JOIN documents d ON d.id = k.document
    WHERE k.id = ANY(%(chunks)s) AND d.collection_id = %(collection)s AND {condition}
""")
_FOUND = """
    SELECT c.id, replace(c.key::text, '-', ''), d.document_id, d.title, d.source_uri, c.body, c.headings, c.ordinal,
           d.metadata
    FROM chunks c JOIN documents d ON d.id = c.document JOIN collections l ON l.id = c.collection_id
    WHERE c.id = ANY(%(chunks)s) AND l.id = %(collection)s AND l.tenant = %(tenant)s
"""


@dataclass(frozen=True, slots=True)
class Found:
    """A chunk with its document, as stored."""

    chunk_id: str
    document_id: str
    title: str
    source_uri: str
    text: str
    headings: Sequence[str]
    ordinal: int
    metadata: dict[str, Any]


class Index:
    def __init__(self, database: Database, bm25: Bm25, *, exact_windows: int) -> None:
        self._database = database
        self._bm25 = bm25
        self._exact_windows = exact_windows

    async def nearest(
        self, collection: Collection, vector: NDArray[np.float32], allowed: Compiled | None, count: int
    ) -> Leg:
        """Returns the chunks whose best window is nearest to a vector, with that window's cosine."""
        spread = collection.window_count / max(collection.chunk_count, 1)
        params = {
            **_params(collection, allowed),
            "vector": HalfVector(vector),
            "count": count,
            "windows": min(_MAX_WINDOWS, ceil(count * spread)),
        }
        only = _only("AND w.document IN ({})", allowed)
        async with self._database.transaction(collection.tenant, _LIMIT_S) as connection:
            template = _EXACT if await self._few(connection, collection, allowed) else _NEAREST
            query = template.format(only=only, dimensions=sql.Literal(collection.dimensions))
            return await _leg(connection, query, params)

    async def best_matching(
        self, collection: Collection, terms: Counter[str], allowed: Compiled | None, count: int
    ) -> Leg:
        """Returns the chunks that hold any of the terms, by BM25 with the statistics of the whole collection."""
        async with self._database.transaction(collection.tenant, _LIMIT_S) as connection:
            statistics, postings = await read_postings(connection, collection, list(terms))
            ranking = await asyncio.to_thread(rank, postings, terms, statistics, self._bm25)
            if allowed is None:
                return ranking.best(count)
            return await self._best_allowed(connection, collection, ranking, allowed, count)

    async def found(self, collection: Collection, chunks: Sequence[int]) -> dict[int, Found]:
        """Reads chunks with their documents; those deleted meanwhile are left out."""
        params = {**_params(collection, None), "chunks": list(chunks)}
        async with self._database.transaction(collection.tenant, _LIMIT_S) as connection:
            rows = await connection.execute(_FOUND, params)
            return {chunk: Found(*columns) for chunk, *columns in await rows.fetchall()}

    async def _best_allowed(
        self, connection: Connection, collection: Collection, ranking: Ranking, allowed: Compiled, count: int
    ) -> Leg:
        """Looks the few allowed chunks up in the ranking, or down the ranking for allowed chunks."""
        params = {**_params(collection, allowed), "few": self._exact_windows}
        query = _ALLOWED_CHUNKS.format(condition=allowed.condition)
        packed, total = await (await connection.execute(query, params)).fetchone() or (None, 0)
        if total <= self._exact_windows:
            return ranking.only(_unpacked(packed)).best(count)
        query = _ALLOWED_AMONG.format(condition=allowed.condition)
        reach = _REACH * count
        while True:
            best = ranking.best(reach)
            chunks = [chunk for chunk, _ in best]
            (packed,) = await (await connection.execute(query, {**params, "chunks": chunks})).fetchone() or (None,)
            leg = ranking.only(_unpacked(packed)).best(count)
            if len(leg) == count or len(best) < reach:
                return leg
            reach *= _REACH

    async def _few(self, connection: Connection, collection: Collection, allowed: Compiled | None) -> bool:
        """Whether comparing every window is quick, so that HNSW would only lose recall."""
        if not collection.hnsw or collection.window_count <= self._exact_windows:
            return True
        if allowed is None:
            return False
        query = _COUNT.format(condition=allowed.condition)
        params = {**_params(collection, allowed), "few": self._exact_windows}
        (windows,) = await (await connection.execute(query, params)).fetchone() or (0,)
        return int(windows) <= self._exact_windows


def _params(collection: Collection, allowed: Compiled | None) -> dict[str, object]:
    return {"collection": collection.id, "tenant": collection.tenant, **(allowed.params if allowed else {})}


def _unpacked(chunks: bytes | None) -> NDArray[np.int64]:
    return np.frombuffer(chunks or b"", ">i8").astype(np.int64)


def _only(template: LiteralString, allowed: Compiled | None) -> sql.Composed:
    if allowed is None:
        return sql.Composed(())
    return sql.SQL(template).format(_ALLOWED.format(allowed.condition))


async def _leg(connection: Connection, query: sql.Composed, params: dict[str, object]) -> Leg:
    rows = await connection.execute(query, params)
    return [(int(chunk), float(score)) for chunk, score in await rows.fetchall()]
