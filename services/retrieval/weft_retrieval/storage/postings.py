"""The inverted index: for every term the chunks that contain it, packed into segments once there are enough of them.

Every write happens under the collection's row lock, so chunk ids only grow and writers cannot deadlock.
"""

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from psycopg import sql

from weft_kit.stores.postgres import Connection
from weft_retrieval.analysis.analysis import AnalysedTerms
from weft_retrieval.ranking.bm25 import (
    POSTING_BYTES,
    Leg,
    Statistics,
    first_chunk,
    merged,
    pack,
    without,
)
from weft_retrieval.records import Collection
from weft_retrieval.storage.postgres import TenantDatabase

# A segment holds at most 512 postings, 6 KB, so that it stays in one page.
_SEGMENT_BYTES = 512 * POSTING_BYTES
# Chunks whose postings lie as they came before they are packed. More make searches slower, fewer packing.
_FRESH = 512
# A term that more than this share of all chunks hold, and more than so many, says nothing of some of them.
_COMMON = 0.1
_FEW = 10
# How many terms are looked at for each one taken.
_CANDIDATES = 8

_READ = """
    SELECT c.chunk_count, c.total_length, p.term, string_agg(p.postings, '')
    FROM collections c LEFT JOIN LATERAL (
        SELECT s.term, s.postings FROM segments s WHERE s.collection_id = c.id AND s.term = ANY(%(terms)s)
        UNION ALL
        SELECT f.term, f.postings FROM postings f WHERE f.collection_id = c.id AND f.term = ANY(%(terms)s)
    ) p ON true
    WHERE c.id = %(collection)s AND c.tenant = %(tenant)s GROUP BY c.id, p.term
"""
# Terms that two or more chunks hold, by how much of these chunks they are. No more segments of a term are looked at
# than it takes to see that it is common.
_SHARED = """
    WITH shared AS (
        SELECT t.term, sum(b.score / cardinality(c.terms)) AS weight
        FROM unnest(%(chunks)s::bigint[], %(scores)s::float8[]) b (chunk, score)
        JOIN chunks c ON c.id = b.chunk, unnest(c.terms) t (term)
        WHERE c.collection_id = %(collection)s
            AND %(tenant)s = (SELECT l.tenant FROM collections l WHERE l.id = %(collection)s)
        GROUP BY t.term HAVING count(*) > 1 ORDER BY weight DESC, t.term LIMIT %(candidates)s
    )
    SELECT s.term, s.weight FROM shared s WHERE (
        SELECT coalesce(sum(octet_length(p.postings)), 0) FROM (
            (SELECT g.postings FROM segments g
             WHERE g.collection_id = %(collection)s AND g.term = s.term LIMIT %(segments)s)
            UNION ALL
            SELECT f.postings FROM postings f WHERE f.collection_id = %(collection)s AND f.term = s.term
        ) p
    ) <= %(bytes)s
    ORDER BY s.weight DESC, s.term LIMIT %(terms)s
"""
# What is new goes to the end of each term's last segment, and into further ones when that is full.
_PACK = """
    WITH fresh AS (DELETE FROM postings WHERE collection_id = %(collection)s RETURNING term, first, postings),
    gathered AS (SELECT term, string_agg(postings, '' ORDER BY first) AS postings FROM fresh GROUP BY term),
    joined AS (
        SELECT g.term, last.first, coalesce(last.postings, '') || g.postings AS postings
        FROM gathered g LEFT JOIN LATERAL (
            SELECT s.first, s.postings FROM segments s
            WHERE s.collection_id = %(collection)s AND s.term = g.term ORDER BY s.first DESC LIMIT 1
        ) last ON octet_length(last.postings) < %(size)s
    ),
    parts AS (
        SELECT term, CASE WHEN at = 1 THEN first END AS first, substring(postings FROM at FOR %(size)s) AS postings
        FROM joined, generate_series(1, octet_length(postings), %(size)s) at
    )
    INSERT INTO segments (collection_id, term, first, postings)
    SELECT %(collection)s, term, coalesce(first, ('x' || encode(substring(postings FOR 8), 'hex'))::bit(64)::bigint),
           postings
    FROM parts ON CONFLICT (collection_id, term, first) DO UPDATE SET postings = excluded.postings
"""
# The limit keeps PostgreSQL from reading the whole table instead of the few rows asked for.
_HOLDING = sql.SQL("""
    WITH held AS (
        SELECT DISTINCT u.term, (
            SELECT max(s.first) FROM {table} s
            WHERE s.collection_id = %(collection)s AND s.term = u.term AND s.first <= u.chunk
        ) AS first
        FROM unnest(%(terms)b::text[], %(chunks)b::bigint[]) u(term, chunk)
    )
    SELECT r.term, r.first, r.postings FROM held h, LATERAL (
        SELECT s.term, s.first, s.postings FROM {table} s
        WHERE s.collection_id = %(collection)s AND s.term = h.term AND s.first = h.first LIMIT 1
    ) r
""")
_CUT = sql.SQL("""
    UPDATE {table} s SET postings = u.postings
    FROM unnest(%(terms)b::text[], %(firsts)b::bigint[], %(postings)b::bytea[]) u(term, first, postings)
    WHERE s.collection_id = %(collection)s AND s.term = u.term AND s.first = u.first
""")
_PUT_SEGMENTS = """
    INSERT INTO segments (collection_id, term, first, postings)
    SELECT %s, u.term, u.first, u.postings
    FROM unnest(%b::text[], %b::bigint[], %b::bytea[]) u(term, first, postings)
    ON CONFLICT (collection_id, term, first) DO UPDATE SET postings = excluded.postings
"""
_DROP_EMPTY = sql.SQL(
    "DELETE FROM {table} WHERE collection_id = %(collection)s AND term = ANY(%(terms)s) AND postings = ''"
)


@dataclass(frozen=True, slots=True)
class Rewrite:
    """The terms that a stored chunk loses, and those that it has or has in another number, with their counts."""

    chunk: int
    length: int
    gone: Sequence[str]
    put: Mapping[str, int]


async def read_postings(
    database: TenantDatabase, collection: Collection, terms: Sequence[str], limit_s: float
) -> tuple[Statistics, dict[str, bytes]]:
    """Returns all postings of some terms, and the collection's statistics at the same moment."""
    params = {"collection": collection.id, "tenant": collection.tenant, "terms": list(terms)}
    rows = await database.rows(collection.tenant, limit_s, _READ, params)
    if not rows:
        return Statistics(0, 0), {}
    chunk_count, total_length, *_ = rows[0]
    return Statistics(chunk_count, total_length), {term: packed for *_, term, packed in rows if term is not None}


async def read_shared_terms(
    database: TenantDatabase, collection: Collection, chunks: Leg, count: int, limit_s: float
) -> list[tuple[str, float]]:
    """Returns up to `count` terms that at least two of some scored chunks contain, with their weights, the largest
    first.

    A chunk's score is shared out among its terms. Terms that are common in the whole collection are left out.
    """
    ids, scores = zip(*chunks, strict=True)
    size = max(int(_COMMON * collection.chunk_count), _FEW) * POSTING_BYTES
    params = {
        "collection": collection.id,
        "tenant": collection.tenant,
        "chunks": list(ids),
        "scores": list(scores),
        "candidates": _CANDIDATES * count,
        "segments": size // _SEGMENT_BYTES + 2,
        "bytes": size,
        "terms": count,
    }
    return [(term, weight) for term, weight in await database.rows(collection.tenant, limit_s, _SHARED, params)]


async def add_postings(connection: Connection, collection: int, chunks: Mapping[int, AnalysedTerms]) -> None:
    """Writes a posting for every term of every chunk, chunk id → its terms, ascending; they are the newest."""
    postings: dict[str, bytearray] = {}
    for chunk, terms in chunks.items():
        for term, frequency in terms.counts.items():
            postings.setdefault(term, bytearray()).extend(pack(chunk, frequency, terms.length))
    # Not COPY, which row-level security forbids.
    await connection.execute(
        "INSERT INTO postings SELECT %s, u.term, %s, u.postings FROM unnest(%b::text[], %b::bytea[]) u(term, postings)",
        (collection, min(chunks), list(postings), [bytes(packed) for packed in postings.values()]),
    )


async def pack_postings(connection: Connection, collection: int, fresh_chunks: int) -> None:
    """Packs what came since the last time, once it is of enough chunks."""
    if fresh_chunks >= _FRESH:
        await connection.execute(_PACK, {"collection": collection, "size": _SEGMENT_BYTES})
        await connection.execute("UPDATE collections SET fresh_chunks = 0 WHERE id = %s", (collection,))


async def drop_postings(connection: Connection, collection: int, chunks: Mapping[int, Sequence[str]]) -> None:
    """Deletes the postings of chunks, chunk id → its terms."""
    pairs = [(term, chunk) for chunk, terms in chunks.items() for term in terms]
    if not pairs:
        return
    terms, ids = zip(*pairs, strict=True)
    wanted = {"collection": collection, "terms": list(terms), "chunks": list(ids)}
    for table in (sql.Identifier("postings"), sql.Identifier("segments")):
        rows = await connection.cursor(binary=True).execute(_HOLDING.format(table=table), wanted)
        # Cut here: a segment is an array to numpy, and five hundred pieces to PostgreSQL.
        left = [(term, first, packed, without(packed, chunks)) for term, first, packed in await rows.fetchall()]
        cut = [(term, first, kept) for term, first, packed, kept in left if len(kept) < len(packed)]
        if cut:
            touched, firsts, postings = map(list, zip(*cut, strict=True))
            params = {"collection": collection, "terms": touched, "firsts": firsts, "postings": postings}
            await connection.execute(_CUT.format(table=table), params)
            await connection.execute(_DROP_EMPTY.format(table=table), {"collection": collection, "terms": touched})


async def rewrite_postings(connection: Connection, collection: int, rewrites: Sequence[Rewrite]) -> None:
    """Changes postings of stored chunks, ascending, in their place: a segment that grows too long becomes several."""
    # Then all of them are in segments.
    await pack_postings(connection, collection, _FRESH)
    await drop_postings(connection, collection, {rewrite.chunk: rewrite.gone for rewrite in rewrites})
    new = [
        (term, rewrite.chunk, pack(rewrite.chunk, frequency, rewrite.length))
        for rewrite in rewrites
        for term, frequency in rewrite.put.items()
    ]
    if not new:
        return
    terms, chunks, _ = map(list, zip(*new, strict=True))
    wanted = {"collection": collection, "terms": terms, "chunks": chunks}
    query = _HOLDING.format(table=sql.Identifier("segments"))
    rows = await (await connection.cursor(binary=True).execute(query, wanted)).fetchall()
    segments = [segment for placed in _placed(rows, new) for segment in _split(*placed)]
    await connection.execute(_PUT_SEGMENTS, (collection, *map(list, zip(*segments, strict=True))))


def _placed(
    rows: Sequence[tuple[str, int, bytes]], new: Sequence[tuple[str, int, bytes]]
) -> Iterator[tuple[str, int, bytes]]:
    """Yields segments with the new postings in them; what is older than the first of its term begins one of its own."""
    old: dict[str, list[tuple[int, bytes]]] = {}
    for term, first, packed in sorted(rows):
        old.setdefault(term, []).append((first, packed))
    for term, group in groupby(sorted(new), key=lambda posting: posting[0]):
        segments = old.get(term, [])
        into: dict[int, bytes] = {}
        for _, chunk, packed in group:
            at = bisect_right(segments, chunk, key=lambda segment: segment[0]) - 1
            into[at] = into.get(at, b"") + packed
        for at, added in into.items():
            first, packed = segments[at] if at >= 0 else (first_chunk(added), b"")
            yield term, first, merged(packed, added)


def _split(term: str, first: int, packed: bytes) -> Iterator[tuple[str, int, bytes]]:
    """Yields a segment in parts that are short enough, all about as long."""
    count = len(packed) // POSTING_BYTES
    size = -(-count // -(-len(packed) // _SEGMENT_BYTES)) * POSTING_BYTES
    for at in range(0, len(packed), size):
        part = packed[at : at + size]
        yield term, first if at == 0 else first_chunk(part), part
