"""The inverted index: for every term the chunks that hold it, packed into segments once there are enough of them.

Every write happens under the collection's row lock, so chunk ids only grow and writers cannot deadlock.
"""

from collections.abc import Mapping, Sequence

from psycopg import sql

from weft_retrieval.analysis import Terms
from weft_retrieval.bm25 import POSTING_BYTES, Statistics, pack, without
from weft_retrieval.postgres import Connection, Database
from weft_retrieval.records import Collection

# A segment holds at most 512 postings, 6 KB, so that it stays in one page.
_SEGMENT_BYTES = 512 * POSTING_BYTES
# Chunks whose postings lie as they came before they are packed. More make searches slower, fewer packing.
_FRESH = 512

_READ = """
    SELECT c.chunk_count, c.total_length, p.term, string_agg(p.postings, '')
    FROM collections c LEFT JOIN LATERAL (
        SELECT s.term, s.postings FROM segments s WHERE s.collection_id = c.id AND s.term = ANY(%(terms)s)
        UNION ALL
        SELECT f.term, f.postings FROM postings f WHERE f.collection_id = c.id AND f.term = ANY(%(terms)s)
    ) p ON true
    WHERE c.id = %(collection)s AND c.tenant = %(tenant)s GROUP BY c.id, p.term
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
_DROP_EMPTY = sql.SQL(
    "DELETE FROM {table} WHERE collection_id = %(collection)s AND term = ANY(%(terms)s) AND postings = ''"
)


async def read_postings(
    database: Database, collection: Collection, terms: Sequence[str], limit_s: float
) -> tuple[Statistics, dict[str, bytes]]:
    """Returns all postings of some terms, and the collection's statistics of the same moment."""
    params = {"collection": collection.id, "tenant": collection.tenant, "terms": list(terms)}
    rows = await database.rows(collection.tenant, limit_s, _READ, params)
    if not rows:
        return Statistics(0, 0), {}
    chunk_count, total_length, *_ = rows[0]
    return Statistics(chunk_count, total_length), {term: packed for *_, term, packed in rows if term is not None}


async def add_postings(connection: Connection, collection: int, chunks: Mapping[int, Terms]) -> None:
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
