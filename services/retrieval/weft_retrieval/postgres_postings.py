"""The inverted index: which chunks hold a term, how often, and in how many chunks it occurs.

Every write happens under the collection's row lock, so that the counts are exact and writers cannot deadlock.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

from weft_retrieval.postgres import Connection


async def count_terms(connection: Connection, collection: int, chunks: Sequence[Counter[str]]) -> Mapping[str, int]:
    """Adds chunks to the terms' counts, making terms that are new; returns the terms' ids."""
    counts = Counter(term for terms in chunks for term in terms)
    params = {"collection": collection, "terms": list(counts), "counts": list(counts.values())}
    # Not ON CONFLICT DO UPDATE: it would spend an id on every term that is there already.
    rows = await connection.execute(
        """
        UPDATE terms t SET chunk_count = t.chunk_count + u.n
        FROM unnest(%(terms)s::text[], %(counts)s::int[]) u(term, n)
        WHERE t.collection_id = %(collection)s AND t.term = u.term RETURNING t.term, t.id
        """,
        params,
    )
    ids: dict[str, int] = dict(await rows.fetchall())
    rows = await connection.execute(
        """
        INSERT INTO terms (collection_id, term, chunk_count)
        SELECT %(collection)s, u.term, u.n FROM unnest(%(terms)s::text[], %(counts)s::int[]) u(term, n)
        WHERE u.term <> ALL(%(known)s::text[]) RETURNING term, id
        """,
        {**params, "known": list(ids)},
    )
    return {**ids, **dict(await rows.fetchall())}


async def add_postings(connection: Connection, ids: Mapping[str, int], chunks: Mapping[int, Counter[str]]) -> None:
    """Writes a posting for every term of every chunk, chunk id → its terms."""
    async with connection.cursor().copy("COPY postings FROM STDIN (FORMAT BINARY)") as copy:
        copy.set_types(["int4", "int8", "int4", "int4"])
        for chunk, terms in chunks.items():
            length = terms.total()
            for term, frequency in terms.items():
                await copy.write_row((ids[term], chunk, frequency, length))


async def drop_postings(connection: Connection, chunks: Mapping[int, Sequence[int]]) -> None:
    """Deletes the postings of chunks, chunk id → its terms' ids, and the terms nothing holds any more."""
    pairs = [(term, chunk) for chunk, terms in chunks.items() for term in terms]
    params = {"terms": [term for term, _ in pairs], "chunks": [chunk for _, chunk in pairs]}
    await connection.execute(
        """
        DELETE FROM postings p USING unnest(%(terms)s::int[], %(chunks)s::bigint[]) u(term, chunk)
        WHERE p.term = u.term AND p.chunk = u.chunk
        """,
        params,
    )
    await connection.execute(
        """
        UPDATE terms t SET chunk_count = t.chunk_count - u.n
        FROM (SELECT term, count(*) AS n FROM unnest(%(terms)s::int[]) v(term) GROUP BY term) u WHERE t.id = u.term
        """,
        params,
    )
    await connection.execute("DELETE FROM terms WHERE id = ANY(%(terms)s) AND chunk_count = 0", params)
