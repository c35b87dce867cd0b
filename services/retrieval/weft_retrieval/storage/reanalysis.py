"""Analyses stored chunks again, in the background: after a release that changes the analysis, or for another language.

It handles a few at a time, each time in one transaction: if it stops, every chunk is found by its old terms or by its
new ones, and the next run continues. Searches look for both until the collection is done.
"""

import asyncio
import json
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, LiteralString

import psycopg
import structlog
from psycopg.types.json import Jsonb

from weft_kit.rpc.errors import NotFound, WeftError
from weft_kit.stores.postgres import Connection
from weft_retrieval.analysis.analyses import Analysis, changed, to_stored
from weft_retrieval.analysis.analysis import ANALYSIS, AnalysedTerms, analyzer
from weft_retrieval.analysis.former_analysis import FORMER, former_terms
from weft_retrieval.analysis.languages import settled
from weft_retrieval.records import Collection
from weft_retrieval.storage.chunks import note_misread
from weft_retrieval.storage.collections import lock_collection, read_collection
from weft_retrieval.storage.postgres import TenantDatabase
from weft_retrieval.storage.postings import Rewrite, rewrite_postings

_LIMIT_S = 60.0
# The collection's writers wait while so many are written: a fraction of a second.
_CHUNKS = 32
_DOCUMENTS = 256
# A length this much off changes no order, and leaves the postings of all other terms as they are.
_NEAR = 0.1
_DUE = "SELECT tenant, name FROM retrieval.collections WHERE analysis < %s ORDER BY id"
# The first chunks of a document show its language.
_UNSETTLED = """
    SELECT d.id, ARRAY(SELECT c.body FROM chunks c WHERE c.document = d.id AND c.ordinal < 3 ORDER BY c.ordinal)
    FROM documents d WHERE d.collection_id = %s AND d.language IS NULL ORDER BY d.id LIMIT %s
"""
_SETTLE = """
    UPDATE documents d SET language = u.language FROM unnest(%s::bigint[], %s::text[]) u(id, language)
    WHERE d.id = u.id AND d.language IS NULL RETURNING d.id
"""
_OLD: LiteralString = """
    SELECT c.id, d.language, c.language, c.analysis, d.title, c.headings, c.body, c.terms, c.length
    FROM chunks c JOIN documents d ON d.id = c.document
    WHERE c.collection_id = %s AND (c.analysis < 3 OR c.misread) AND d.language IS NOT NULL ORDER BY c.id LIMIT %s
"""
_STILL_OLD = """
    SELECT c.id, d.language, c.language, c.analysis FROM chunks c JOIN documents d ON d.id = c.document
    WHERE c.collection_id = %s AND (c.analysis < 3 OR c.misread) AND c.id = ANY(%s)
"""
_MARK = """
    UPDATE chunks c SET analysis = %s, misread = false, language = n.language, length = n.length, terms = n.terms
    FROM json_to_recordset(%s) n (id bigint, language text, length int, terms text[]) WHERE c.id = n.id
"""
_COUNT = "UPDATE collections SET total_length = total_length + %s, analysed = %s WHERE id = %s"
_DONE = """
    UPDATE collections SET analysis = %(analysis)s WHERE id = %(id)s
        AND NOT EXISTS (SELECT FROM documents WHERE collection_id = %(id)s AND language IS NULL)
        AND NOT EXISTS (SELECT FROM chunks WHERE collection_id = %(id)s AND (analysis < 3 OR misread))
"""


@dataclass(frozen=True, slots=True)
class _Stored:
    """A chunk with its terms as they are stored, and the language that they are to be of."""

    id: int
    language: str
    analysis: Analysis
    title: str
    headings: Sequence[str]
    body: str
    terms: Sequence[str]
    length: int


@dataclass(frozen=True, slots=True)
class _Analysed:
    """A stored chunk with all its terms, what that changes in the postings, and by how much its length differs."""

    rewrite: Rewrite
    change: tuple[Analysis, Analysis]
    terms: Sequence[str]
    grown: int


class Reanalysis:
    def __init__(self, database: TenantDatabase) -> None:
        self._database = database
        self._log = structlog.get_logger()

    async def step(self) -> int:
        """Analyses some chunks of every collection with outdated ones; returns how many collections had any.

        One that fails does not stop the others; its error is raised once all were tried.
        """
        async with self._database.connection(_LIMIT_S) as connection:
            due = await (await connection.execute(_DUE, (ANALYSIS,))).fetchall()
        failures: list[WeftError | psycopg.Error] = []
        for tenant, name in due:
            began = time.monotonic()
            try:
                await self._analyse_some(tenant, name)
            except NotFound:  # deleted meanwhile
                continue
            except (WeftError, psycopg.Error) as error:
                failures.append(error)
            # At most half of the time is used for this, the rest is left to searches.
            await asyncio.sleep(time.monotonic() - began)
        if failures:
            raise failures[0]
        return len(due)

    async def _analyse_some(self, tenant: str, name: str) -> None:
        await self._settle_some(tenant, name)
        async with self._database.transaction(tenant, _LIMIT_S) as connection:
            collection = await read_collection(connection, tenant, name)
            rows = await (await connection.execute(_OLD, (collection.id, _CHUNKS))).fetchall()
        # The texts of chunks never change, so this needs no lock.
        analysed = await asyncio.to_thread(lambda: [_analysed(_to_stored_chunk(row)) for row in rows])
        async with self._database.transaction(tenant, _LIMIT_S) as connection:
            collection = await lock_collection(connection, tenant, name)
            await _store(connection, collection, analysed)
            done = await connection.execute(_DONE, {"id": collection.id, "analysis": ANALYSIS})
        if done.rowcount:
            self._log.info("words of a collection analysed anew", tenant=tenant, collection=name)

    async def _settle_some(self, tenant: str, name: str) -> None:
        """Gives documents their language whose collection has another one by now."""
        async with self._database.transaction(tenant, _LIMIT_S) as connection:
            collection = await read_collection(connection, tenant, name)
            rows = await (await connection.execute(_UNSETTLED, (collection.id, _DOCUMENTS))).fetchall()
        if not rows:
            return
        texts = {document: "\n".join(bodies) for document, bodies in rows}
        languages = await asyncio.to_thread(lambda: [settled(collection.language, text) for text in texts.values()])
        async with self._database.transaction(tenant, _LIMIT_S) as connection:
            locked = await lock_collection(connection, tenant, name)
            if locked.language == collection.language:
                known = await (await connection.execute(_SETTLE, (list(texts), languages))).fetchall()
                await note_misread(connection, locked, [document for (document,) in known])


async def _store(connection: Connection, collection: Collection, analysed: Sequence[_Analysed]) -> None:
    """Stores the new analysis, except for chunks that were meanwhile deleted, changed, or stored by another replica."""
    wanted = [one.rewrite.chunk for one in analysed]
    rows = await (await connection.execute(_STILL_OLD, (collection.id, wanted))).fetchall()
    left = {chunk: (Analysis(was, version), Analysis(language)) for chunk, language, was, version in rows}
    analysed = [one for one in analysed if left.get(one.rewrite.chunk) == one.change]
    if not analysed:
        return
    await rewrite_postings(connection, collection.id, [one.rewrite for one in analysed])
    marks = [
        {
            "id": one.rewrite.chunk,
            "language": one.change[1].language,
            "length": one.rewrite.length,
            "terms": list(one.terms),
        }
        for one in analysed
    ]
    await connection.execute(_MARK, (ANALYSIS, json.dumps(marks, ensure_ascii=False)))
    moved = Counter(one.change[1] for one in analysed)
    moved.subtract(one.change[0] for one in analysed)
    counts = Jsonb(to_stored(changed(collection.analysed, moved)))
    await connection.execute(_COUNT, (sum(one.grown for one in analysed), counts, collection.id))


def _to_stored_chunk(row: Sequence[Any]) -> _Stored:
    chunk, language, was, version, *rest = row
    return _Stored(chunk, language, Analysis(was, version), *rest)


def _analysed(stored: _Stored) -> _Analysed:
    text, former = as_it_was(stored.analysis, stored.title, stored.headings, stored.body, stored.length)
    new = analyzer(stored.language)(text)
    kept = stored.length if abs(new.length - stored.length) <= _NEAR * stored.length else new.length
    # Most postings of prose stay as they are. An analysis between the first and this one may have made other terms.
    is_known = former.length == stored.length and former.counts.keys() == set(stored.terms)
    is_same = is_known and kept == stored.length
    same = {term for term in stored.terms if former.counts[term] == new.counts[term]} if is_same else set()
    gone = [term for term in stored.terms if term not in new.counts]
    put = {term: count for term, count in new.counts.items() if term not in same}
    change = (stored.analysis, Analysis(stored.language))
    return _Analysed(Rewrite(stored.id, kept, gone, put), change, list(new.counts), kept - stored.length)


def as_it_was(
    analysis: Analysis, title: str, headings: Sequence[str], body: str, length: int
) -> tuple[str, AnalysedTerms]:
    """Returns the text whose terms a chunk has, and these.

    The last heading stands over the body or in it: what was stored tells, in the length.
    """
    texts = [f"{' '.join(_above(title, headings, above))}\n{body}" for above in (headings, headings[:-1])]
    found = [(text, _terms(analysis, text)) for text in dict.fromkeys(texts)]
    return min(found, key=lambda one: abs(one[1].length - length))


def _terms(analysis: Analysis, text: str) -> AnalysedTerms:
    if analysis.version != FORMER:
        return analyzer(analysis.language)(text)
    counts = former_terms(analysis.language, text)
    return AnalysedTerms(counts, counts.total())


def _above(title: str, headings: Sequence[str], above: Sequence[str]) -> Sequence[str]:
    """As windows.breadcrumb, of what is stored."""
    repeated = bool(headings) and headings[0].casefold() == title.casefold()
    return above if repeated or not title else [title, *above]
