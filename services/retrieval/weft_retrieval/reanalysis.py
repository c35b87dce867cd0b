"""Stored chunks analysed anew, in the background, after a release whose terms are others.

A few chunks at a time, each time in one transaction: whoever stops, on purpose or not, leaves every chunk found by its
old terms or by its new ones, and the next one goes on. Searches ask for both until the collection is done.
"""

import asyncio
import json
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import LiteralString

import psycopg
import structlog

from weft_kit.errors import NotFound, WeftError
from weft_retrieval.analysis import ANALYSIS, analyzer
from weft_retrieval.former_analysis import former_terms
from weft_retrieval.postgres import Connection, Database
from weft_retrieval.postgres_catalog import lock_collection, read_collection
from weft_retrieval.postgres_postings import Rewrite, rewrite_postings
from weft_retrieval.records import Collection

_LIMIT_S = 60.0
# The collection's writers wait while so many are written: a fraction of a second.
_CHUNKS = 32
# A length this much off changes no order, and leaves the postings of all other terms as they are.
_NEAR = 0.1
_DUE = "SELECT tenant, name FROM retrieval.collections WHERE analysis < %s ORDER BY id"
_OLD: LiteralString = """
    SELECT c.id, d.title, c.headings, c.body, c.terms, c.length FROM chunks c JOIN documents d ON d.id = c.document
    WHERE c.collection_id = %s AND c.analysis = 1 ORDER BY c.id LIMIT %s
"""
_STILL_OLD = "SELECT id FROM chunks WHERE collection_id = %s AND analysis = 1 AND id = ANY(%s)"
_MARK = """
    UPDATE chunks c SET analysis = %s, length = n.length, terms = n.terms
    FROM json_to_recordset(%s) n (id bigint, length int, terms text[]) WHERE c.id = n.id
"""
_DONE = """
    UPDATE collections SET analysis = %(analysis)s WHERE id = %(id)s
        AND NOT EXISTS (SELECT FROM chunks WHERE collection_id = %(id)s AND analysis = 1)
"""


@dataclass(frozen=True, slots=True)
class _Analysed:
    """A stored chunk with all its terms, what that changes in the postings, and by how much its length differs."""

    rewrite: Rewrite
    terms: Sequence[str]
    grown: int


class Reanalysis:
    def __init__(self, database: Database) -> None:
        self._database = database
        self._log = structlog.get_logger()

    async def step(self) -> int:
        """Analyses some chunks of every collection that has old ones; returns how many collections had.

        One that fails keeps back no other; it is raised once all were tried.
        """
        async with self._database.upkeep(_LIMIT_S) as connection:
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
            # At most half of the time is for this, the rest for searches.
            await asyncio.sleep(time.monotonic() - began)
        if failures:
            raise failures[0]
        return len(due)

    async def _analyse_some(self, tenant: str, name: str) -> None:
        async with self._database.transaction(tenant, _LIMIT_S) as connection:
            collection = await read_collection(connection, tenant, name)
            rows = await (await connection.execute(_OLD, (collection.id, _CHUNKS))).fetchall()
        # Chunks never change, so this needs no lock.
        analysed = await asyncio.to_thread(lambda: [_analysed(collection.language, *row) for row in rows])
        async with self._database.transaction(tenant, _LIMIT_S) as connection:
            await lock_collection(connection, tenant, name)
            await _store(connection, collection, analysed)
            done = await connection.execute(_DONE, {"id": collection.id, "analysis": ANALYSIS})
        if done.rowcount:
            self._log.info("words of a collection analysed anew", tenant=tenant, collection=name)


async def _store(connection: Connection, collection: Collection, analysed: Sequence[_Analysed]) -> None:
    """Stores what is analysed, but for chunks that were deleted or that another replica stored."""
    wanted = [one.rewrite.chunk for one in analysed]
    rows = await connection.execute(_STILL_OLD, (collection.id, wanted))
    left = {chunk for (chunk,) in await rows.fetchall()}
    analysed = [one for one in analysed if one.rewrite.chunk in left]
    if not analysed:
        return
    await rewrite_postings(connection, collection.id, [one.rewrite for one in analysed])
    marks = [{"id": one.rewrite.chunk, "length": one.rewrite.length, "terms": list(one.terms)} for one in analysed]
    await connection.execute(_MARK, (ANALYSIS, json.dumps(marks, ensure_ascii=False)))
    query = "UPDATE collections SET total_length = total_length + %s WHERE id = %s"
    await connection.execute(query, (sum(one.grown for one in analysed), collection.id))


def _analysed(
    language: str, chunk: int, title: str, headings: Sequence[str], body: str, stored: Sequence[str], length: int
) -> _Analysed:
    text, former = as_it_was(language, title, headings, body, length)
    new = analyzer(language)(text)
    kept = length if abs(new.length - length) <= _NEAR * length else new.length
    # Most postings of prose stay as they are.
    same = {term for term in stored if former[term] == new.counts[term]} if kept == length else set()
    gone = [term for term in stored if term not in new.counts]
    put = {term: count for term, count in new.counts.items() if term not in same}
    return _Analysed(Rewrite(chunk, kept, gone, put), list(new.counts), kept - length)


def as_it_was(language: str, title: str, headings: Sequence[str], body: str, length: int) -> tuple[str, Counter[str]]:
    """Returns the text whose terms a chunk has, and their counts.

    The last heading stands over the body or in it: what was stored tells, in the length.
    """
    texts = [f"{' '.join(_above(title, headings, above))}\n{body}" for above in (headings, headings[:-1])]
    found = [(text, former_terms(language, text)) for text in dict.fromkeys(texts)]
    return next((one for one in found if one[1].total() == length), found[0])


def _above(title: str, headings: Sequence[str], above: Sequence[str]) -> Sequence[str]:
    """As windows.breadcrumb, of what is stored."""
    repeated = bool(headings) and headings[0].casefold() == title.casefold()
    return above if repeated or not title else [title, *above]
