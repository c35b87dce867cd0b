"""The inverted index: for every term the chunks that hold it, packed into segments once there are enough of them.

Every write happens under the collection's row lock, so chunk ids only grow and writers cannot deadlock.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

from weft_retrieval.bm25 import Statistics, pack
from weft_retrieval.postgres import Connection
from weft_retrieval.records import Collection

# Postings a segment holds at most: 6 KB, so that it stays in one page.
_SEGMENT = 512
# Chunks whose postings lie singly before they are packed. More make searches slower, fewer make short segments.
_FRESH = 512

_READ = """
    SELECT c.chunk_count, c.total_length, p.term, string_agg(p.postings, '')
    FROM collections c LEFT JOIN LATERAL (
        SELECT s.term, s.postings FROM segments s WHERE s.collection_id = c.id AND s.term = ANY(%(terms)s)
        UNION ALL
        SELECT f.term, f.posting FROM postings f WHERE f.collection_id = c.id AND f.term = ANY(%(terms)s)
    ) p ON true
    WHERE c.id = %(collection)s AND c.tenant = %(tenant)s GROUP BY c.id, p.term
"""
_PACK = """
    WITH fresh AS (DELETE FROM postings WHERE collection_id = %(collection)s RETURNING term, chunk, posting),
    placed AS (
        SELECT term, chunk, posting, (row_number() OVER (PARTITION BY term ORDER BY chunk) - 1) / %(size)s AS segment
        FROM fresh
    )
    INSERT INTO segments (collection_id, term, first, postings)
    SELECT %(collection)s, term, min(chunk), string_agg(posting, '' ORDER BY chunk) FROM placed GROUP BY term, segment
"""
_DROP_FRESH = """
    DELETE FROM postings p USING unnest(%(terms)b::text[], %(chunks)b::bigint[]) u(term, chunk)
    WHERE p.collection_id = %(collection)s AND p.term = u.term AND p.chunk = u.chunk RETURNING p.chunk
"""
_DROP_PACKED = """
    WITH held AS (
        SELECT DISTINCT u.term, (
            SELECT max(s.first) FROM segments s
            WHERE s.collection_id = %(collection)s AND s.term = u.term AND s.first <= u.chunk
        ) AS first
        FROM unnest(%(terms)b::text[], %(chunks)b::bigint[]) u(term, chunk)
    ), gone AS (SELECT ARRAY(SELECT int8send(chunk) FROM unnest(%(chunks)b::bigint[]) chunk) AS ids)
    UPDATE segments s SET postings = coalesce((
        SELECT string_agg(substring(s.postings FROM at FOR 12), '' ORDER BY at)
        FROM generate_series(1, octet_length(s.postings), 12) at
        WHERE substring(s.postings FROM at FOR 8) <> ALL (gone.ids)
    ), '')
    FROM held, gone WHERE s.collection_id = %(collection)s AND s.term = held.term AND s.first = held.first
"""
_DROP_EMPTY = "DELETE FROM segments WHERE collection_id = %(collection)s AND term = ANY(%(terms)s) AND postings = ''"


async def read_postings(
    connection: Connection, collection: Collection, terms: Sequence[str]
) -> tuple[Statistics, dict[str, bytes]]:
    """Returns all postings of some terms, and the collection's statistics of the same moment."""
    params = {"collection": collection.id, "tenant": collection.tenant, "terms": list(terms)}
    cursor = connection.cursor(binary=True)
    rows = await (await cursor.execute(_READ, params)).fetchall()
    if not rows:
        return Statistics(0, 0), {}
    chunk_count, total_length, *_ = rows[0]
    return Statistics(chunk_count, total_length), {term: packed for *_, term, packed in rows if term is not None}


async def add_postings(connection: Connection, collection: int, chunks: Mapping[int, Counter[str]]) -> None:
    """Writes a posting for every term of every chunk, chunk id → its terms; the chunks are the newest there are."""
    rows = [
        (term, chunk, pack(chunk, frequency, length))
        for chunk, terms in chunks.items()
        for length in [terms.total()]
        for term, frequency in terms.items()
    ]
    names, ids, postings = zip(*rows, strict=True) if rows else ((), (), ())
    # Not COPY, which row-level security forbids.
    await connection.execute(
        "INSERT INTO postings SELECT %s, * FROM unnest(%b::text[], %b::bigint[], %b::bytea[])",
        (collection, list(names), list(ids), list(postings)),
    )
    counted = await connection.execute(
        "UPDATE collections SET fresh_chunks = fresh_chunks + %s WHERE id = %s RETURNING fresh_chunks",
        (len(chunks), collection),
    )
    (fresh,) = await counted.fetchone() or (0,)
    if fresh >= _FRESH:
        await connection.execute(_PACK, {"collection": collection, "size": _SEGMENT})
        await connection.execute("UPDATE collections SET fresh_chunks = 0 WHERE id = %s", (collection,))


async def drop_postings(connection: Connection, collection: int, chunks: Mapping[int, Sequence[str]]) -> None:
    """Deletes the postings of chunks, chunk id → its terms."""
    rows = await connection.execute(_DROP_FRESH, _pairs(collection, chunks))
    fresh = {chunk for (chunk,) in await rows.fetchall()}
    packed = _pairs(collection, {chunk: terms for chunk, terms in chunks.items() if chunk not in fresh})
    for statement in (_DROP_PACKED, _DROP_EMPTY):
        await connection.execute(statement, packed)


def _pairs(collection: int, chunks: Mapping[int, Sequence[str]]) -> dict[str, object]:
    pairs = [(term, chunk) for chunk, terms in chunks.items() for term in terms]
    return {
        "collection": collection,
        "terms": [term for term, _ in pairs],
        "chunks": [chunk for _, chunk in pairs],
    }
