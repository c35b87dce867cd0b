"""A document's chunks in PostgreSQL, with their windows and postings: inserted and deleted together.

Whatever their number, each table gets one statement. Not COPY: row-level security forbids it.
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence

from pgvector import HalfVector

from weft_kit.stores.postgres import Connection
from weft_retrieval.analysis.analyses import Analysis
from weft_retrieval.analysis.analysis import ANALYSIS
from weft_retrieval.chunking.chunking import Chunk
from weft_retrieval.records import Collection
from weft_retrieval.storage.postings import add_postings, drop_postings
from weft_retrieval.storage.revisions import Change, IndexedChunk

_INSERT_CHUNKS = """
    INSERT INTO chunks
        (collection_id, document, analysis, language, id, key, ordinal, headings, body, length, terms, window_count)
    SELECT %s, %s, %s, %s, n.* FROM json_to_recordset(%s) n (
        id bigint, key uuid, ordinal int, headings text[], body text, length int, terms text[], window_count int
    )
"""
_INSERT_WINDOWS = """
    INSERT INTO windows (chunk, collection_id, document, embedding)
    SELECT n.chunk, %s, %s, n.embedding FROM unnest(%b::bigint[], %b::halfvec[]) n (chunk, embedding)
"""


async def add_chunks(
    connection: Connection, collection: Collection, document: int, language: str, by_id: Mapping[int, IndexedChunk]
) -> Change:
    """Stores new chunks of a document, given by its row's id, under ids that ascend and are the highest there are."""
    if not by_id:
        return Change()
    packed = json.dumps([_row(chunk, one) for chunk, one in by_id.items()], ensure_ascii=False)
    await connection.execute(_INSERT_CHUNKS, (collection.id, document, ANALYSIS, language, packed))
    windows = [(chunk, HalfVector(vector)) for chunk, one in by_id.items() for vector in one.vectors]
    if windows:
        chunks, vectors = zip(*windows, strict=True)
        await connection.execute(_INSERT_WINDOWS, (collection.id, document, list(chunks), list(vectors)))
    await add_postings(connection, collection.id, {chunk: one.terms for chunk, one in by_id.items()})
    length = sum(one.terms.length for one in by_id.values())
    analysed = {Analysis(language): len(by_id)}
    return Change(chunks=len(by_id), windows=len(windows), length=length, new_chunks=len(by_id), analysed=analysed)


async def drop_chunks(connection: Connection, collection: Collection, document: int, *, keep: Sequence[str]) -> Change:
    """Deletes the chunks of a document whose keys are not among those to keep."""
    rows = await connection.execute(
        """
        DELETE FROM chunks WHERE document = %s AND key <> ALL(%s::uuid[])
        RETURNING id, terms, window_count, length, language, analysis
        """,
        (document, list(keep)),
    )
    gone = await rows.fetchall()
    if gone:
        await drop_postings(connection, collection.id, {chunk: terms for chunk, terms, *_ in gone})
    windows, length = (sum(row[at] for row in gone) for at in (2, 3))
    analysed = Counter(Analysis(*row[4:]) for row in gone)
    return Change(
        chunks=-len(gone),
        windows=-windows,
        length=-length,
        analysed={analysis: -chunks for analysis, chunks in analysed.items()},
    )


async def order_chunks(connection: Connection, document: int, chunks: Sequence[Chunk]) -> None:
    """Moves kept chunks to their new places."""
    await connection.execute(
        """
        UPDATE chunks c SET ordinal = u.ordinal FROM unnest(%s::uuid[], %s::int[]) u(key, ordinal)
        WHERE c.document = %s AND c.key = u.key AND c.ordinal <> u.ordinal
        """,
        ([chunk.key for chunk in chunks], [chunk.ordinal for chunk in chunks], document),
    )


async def note_misread(connection: Connection, collection: Collection, documents: Sequence[int]) -> None:
    """Marks chunks whose words are no longer in their document's language, to be analysed again."""
    await connection.execute(
        """
        WITH noted AS (
            UPDATE chunks c SET misread = c.language <> d.language FROM documents d
            WHERE d.id = c.document AND d.id = ANY(%s) AND c.misread <> (c.language <> d.language) RETURNING c.misread
        )
        UPDATE collections SET analysis = 0 WHERE id = %s AND analysis > 0 AND EXISTS (SELECT FROM noted WHERE misread)
        """,
        (list(documents), collection.id),
    )


def _row(chunk: int, new: IndexedChunk) -> dict[str, object]:
    return {
        "id": chunk,
        "key": new.chunk.key,
        "ordinal": new.chunk.ordinal,
        "headings": new.chunk.headings,
        "body": new.chunk.text,
        "length": new.terms.length,
        "terms": list(new.terms.counts),
        "window_count": len(new.vectors),
    }
