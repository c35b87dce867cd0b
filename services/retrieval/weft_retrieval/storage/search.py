"""The two retrievers over PostgreSQL: nearest windows by cosine, and BM25 over the postings.

Both take the same filter, and both name the tenant beside the collection: an id from elsewhere finds nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any, LiteralString

import numpy as np
from numpy.typing import NDArray
from pgvector import HalfVector
from psycopg import sql

from weft_retrieval.ranking.bm25 import (
    Bm25,
    Leg,
    Ranking,
    rank,
)
from weft_retrieval.records import Collection
from weft_retrieval.storage.filters import Compiled
from weft_retrieval.storage.postgres import Query, TenantDatabase
from weft_retrieval.storage.postings import read_postings, read_shared_terms
from weft_retrieval.storage.search_threads import in_search_thread

_LIMIT_S = 10.0
# The service decides whether to compare or to use the index. PostgreSQL decides by statistics, which a collection that
# was just filled does not have: it then compares and sorts a hundred thousand windows, search after search.
_ASK_THE_INDEX = {"enable_sort": "off"}
# The windows of one chunk compete for the places an index scan returns.
_MAX_WINDOWS = 1000
# How many times the places wanted are looked through for chunks, and then again that many times more.
_REACH = 8

_ALLOWED = sql.SQL("SELECT d.id FROM documents d WHERE d.collection_id = %(collection)s AND {}")
# Sorted as windows and gathered to chunks afterwards: PostgreSQL keeps the best only, where grouping keeps all.
_NEAREST = sql.SQL("""
    SELECT w.chunk, w.embedding::{type} <=> %(vector)s::{type} AS distance
    FROM windows w WHERE w.collection_id = %(collection)s
        AND %(tenant)s = (SELECT l.tenant FROM collections l WHERE l.id = %(collection)s) {only}
    ORDER BY distance LIMIT %(windows)s
""")
# The index is one over vectors of known dimensions, and does not serve a query that leaves them open.
_COMPARED = sql.SQL("halfvec")
_INDEXED = sql.SQL("halfvec({})")
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
_NEAREST_WINDOWS = """
    SELECT DISTINCT ON (w.chunk) w.embedding FROM windows w
    WHERE w.chunk = ANY(%(chunks)s) AND w.collection_id = %(collection)s
        AND %(tenant)s = (SELECT l.tenant FROM collections l WHERE l.id = %(collection)s)
    ORDER BY w.chunk, w.embedding <=> %(vector)s
"""
_FOUND = """
    SELECT c.id, replace(c.key::text, '-', ''), d.document_id, d.title, d.source_uri, c.body, c.headings, c.ordinal,
           d.metadata
    FROM chunks c JOIN documents d ON d.id = c.document JOIN collections l ON l.id = c.collection_id
    WHERE c.id = ANY(%(chunks)s) AND l.id = %(collection)s AND l.tenant = %(tenant)s
"""


@dataclass(frozen=True, slots=True)
class FoundChunk:
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
    def __init__(self, database: TenantDatabase, bm25: Bm25, *, exact_windows: int) -> None:
        self._database = database
        self._bm25 = bm25
        self._exact_windows = exact_windows

    async def nearest(
        self, collection: Collection, vector: NDArray[np.float32], allowed: Compiled | None, count: int
    ) -> Leg:
        """Returns the chunks whose best window is nearest to a vector, with that window's cosine."""
        spread = max(1, collection.window_count / max(collection.chunk_count, 1))
        windows = min(_MAX_WINDOWS, ceil(count * spread))
        few = await self._few(collection, allowed)
        kind = _COMPARED if few else _INDEXED.format(sql.Literal(collection.dimensions))
        query = _NEAREST.format(type=kind, only=_only("AND w.document IN ({})", allowed))
        params = {**_params(collection, allowed), "vector": HalfVector(vector)}
        while True:
            rows = await self._rows(collection, query, {**params, "windows": windows}, **_ASK_THE_INDEX)
            leg = _gathered(rows)[:count]
            if len(leg) == count or len(rows) < windows or not few:
                return leg
            windows *= _REACH

    def is_quick(self, collection: Collection) -> bool:
        """Returns whether the search by vectors can avoid comparing more windows than it should for lack of an
        index.
        """
        return not collection.lacks_index(self._exact_windows)

    async def best_matching(
        self, collection: Collection, terms: Mapping[str, float], allowed: Compiled | None, count: int
    ) -> Leg:
        """Returns the chunks that hold any of the terms, by BM25 with the statistics of the whole collection."""
        statistics, postings = await read_postings(self._database, collection, list(terms), _LIMIT_S)
        ranking = await in_search_thread(rank, postings, terms, statistics, self._bm25)
        if allowed is None:
            return ranking.best(count)
        return await self._best_allowed(collection, ranking, allowed, count)

    async def shared_terms(self, collection: Collection, chunks: Leg, count: int) -> list[tuple[str, float]]:
        """Returns the terms, up to `count`, that say most of what some scored chunks share, with their weights."""
        return await read_shared_terms(self._database, collection, chunks, count, _LIMIT_S) if chunks else []

    async def nearest_windows(
        self, collection: Collection, vector: NDArray[np.float32], chunks: Sequence[int]
    ) -> NDArray[np.float32]:
        """Returns of every chunk the vector of the window nearest to a vector, a row each."""
        params = {**_params(collection, None), "chunks": list(chunks), "vector": HalfVector(vector)}
        rows = await self._rows(collection, _NEAREST_WINDOWS, params)
        return np.array([window.to_numpy() for (window,) in rows], np.float32).reshape(-1, len(vector))

    async def found(self, collection: Collection, chunks: Sequence[int]) -> dict[int, FoundChunk]:
        """Reads chunks with their documents; those deleted meanwhile are left out."""
        params = {**_params(collection, None), "chunks": list(chunks)}
        return {chunk: FoundChunk(*columns) for chunk, *columns in await self._rows(collection, _FOUND, params)}

    async def _best_allowed(self, collection: Collection, ranking: Ranking, allowed: Compiled, count: int) -> Leg:
        """Looks the few allowed chunks up in the ranking, or down the ranking for allowed chunks."""
        params = {**_params(collection, allowed), "few": self._exact_windows}
        query = _ALLOWED_CHUNKS.format(condition=allowed.condition)
        ((packed, total),) = await self._rows(collection, query, params)
        if total <= self._exact_windows:
            return ranking.only(_unpacked(packed)).best(count)
        query = _ALLOWED_AMONG.format(condition=allowed.condition)
        reach = _REACH * count
        while True:
            best = ranking.best(reach)
            chunks = [chunk for chunk, _ in best]
            ((packed,),) = await self._rows(collection, query, {**params, "chunks": chunks})
            leg = ranking.only(_unpacked(packed)).best(count)
            if len(leg) == count or len(best) < reach:
                return leg
            reach *= _REACH

    async def _few(self, collection: Collection, allowed: Compiled | None) -> bool:
        """Returns whether comparing every window is quick, so that HNSW would only lose recall."""
        if not collection.hnsw or collection.window_count <= self._exact_windows:
            return True
        if allowed is None:
            return False
        query = _COUNT.format(condition=allowed.condition)
        params = {**_params(collection, allowed), "few": self._exact_windows}
        ((windows,),) = await self._rows(collection, query, params)
        return int(windows) <= self._exact_windows

    async def _rows(
        self, collection: Collection, query: Query, params: Mapping[str, object], **settings: str
    ) -> list[tuple[Any, ...]]:
        return await self._database.rows(collection.tenant, _LIMIT_S, query, params, **settings)


def _params(collection: Collection, allowed: Compiled | None) -> dict[str, object]:
    return {"collection": collection.id, "tenant": collection.tenant, **(allowed.params if allowed else {})}


def _unpacked(chunks: bytes | None) -> NDArray[np.int64]:
    return np.frombuffer(chunks or b"", ">i8").astype(np.int64)


def _only(template: LiteralString, allowed: Compiled | None) -> sql.Composed:
    if allowed is None:
        return sql.Composed(())
    return sql.SQL(template).format(_ALLOWED.format(allowed.condition))


def _gathered(windows: Sequence[tuple[Any, ...]]) -> Leg:
    """Gives each chunk the cosine of its nearest window; best first, and equal ones by id."""
    best: dict[int, float] = {}
    for chunk, distance in windows:
        best[chunk] = max(1 - distance, best.get(chunk, -1.0))
    return sorted(best.items(), key=lambda hit: (-hit[1], hit[0]))
