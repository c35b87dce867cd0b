"""BM25 from packed postings: the arithmetic, the order, and what segments must not change."""

from collections import Counter
from datetime import UTC, datetime
from hashlib import sha256
from math import log

import numpy as np
import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft_retrieval.analysis.analysis import AnalysedTerms
from weft_retrieval.chunking.chunking import Chunk, Chunking
from weft_retrieval.formats import ContentType
from weft_retrieval.ranking.bm25 import (
    Bm25,
    Ranking,
    Statistics,
    pack,
    rank,
)
from weft_retrieval.records import Collection
from weft_retrieval.storage.collections import Collections
from weft_retrieval.storage.documents import DocumentStore
from weft_retrieval.storage.postgres import TenantDatabase
from weft_retrieval.storage.revisions import IndexedChunk, IndexEntry, Revision
from weft_retrieval.storage.search import Index

NOW = datetime(2024, 5, 1, tzinfo=UTC)
ANSERINI = Bm25(0.9, 0.4)
# More than lie singly, so that some are packed; see postgres_postings.py.
MANY = 700

texts = st.lists(st.sampled_from("abcdefg"), min_size=1, max_size=12)


def plain(documents: dict[int, list[str]], query: Counter[str]) -> dict[int, float]:
    """Scores as the formula says, one document at a time."""
    average = sum(map(len, documents.values())) / len(documents)
    scores: Counter[int] = Counter()
    for term, times in query.items():
        holding = sum(term in words for words in documents.values())
        idf = log(1 + (len(documents) - holding + 0.5) / (holding + 0.5))
        for chunk, words in documents.items():
            count, norm = words.count(term), 0.9 * (0.6 + 0.4 * len(words) / average)
            if count:
                scores[chunk] += times * idf * 1.9 * count / (count + norm)
    return dict(scores)


@given(st.dictionaries(st.integers(1, 2**40), texts, min_size=1, max_size=20), texts)
def test_ranking_packed_postings_is_bm25(documents, asked):
    query = Counter(asked)
    postings = {
        term: b"".join(
            pack(chunk, words.count(term), len(words)) for chunk, words in documents.items() if term in words
        )
        for term in query
    }
    statistics = Statistics(len(documents), sum(map(len, documents.values())))
    leg = rank({term: packed for term, packed in postings.items() if packed}, query, statistics, ANSERINI).best(100)
    assert dict(leg) == pytest.approx(plain(documents, query))
    assert [score for _, score in leg] == sorted((score for _, score in leg), reverse=True)


@given(st.lists(st.integers(0, 3), min_size=1, max_size=40), st.integers(1, 50))
def test_the_best_are_those_of_sorting_everything(scores, count):
    ranking = Ranking(np.arange(len(scores)), np.array(scores, np.float64))
    assert ranking.best(count) == sorted(enumerate(map(float, scores)), key=lambda hit: (-hit[1], hit[0]))[:count]


def test_nothing_asked_and_nothing_found_is_an_empty_leg():
    assert rank({}, Counter("a"), Statistics(0, 0), ANSERINI).best(10) == []


@pytest.fixture
async def database(postgres_url):
    async with TenantDatabase(postgres_url, connections=3, hnsw_ef_search=100) as database:
        yield database


async def store(database: TenantDatabase, name: str, words: list[list[str]]) -> Collection:
    """Stores a document of one chunk for each list of words."""
    await Collections(database).create("acme", "docs", Chunking(), "english")
    documents = DocumentStore(database)
    seen = await documents.standing("acme", "docs", name)
    keys = [sha256(f"{name} {n} {text}".encode()).hexdigest()[:32] for n, text in enumerate(words)]
    chunks = [Chunk(key, n, " ".join(words[n]), (), "", ("",)) for n, key in enumerate(keys)]
    vectors = np.eye(1, 8, dtype=np.float32)
    entry = IndexEntry(name, "", "", ContentType.TEXT, {}, (), "", str(words), "english")
    new = [
        IndexedChunk(chunk, AnalysedTerms(Counter(text), len(text)), vectors)
        for chunk, text in zip(chunks, words, strict=True)
        if chunk.key not in seen.keys
    ]
    assert await documents.replace(seen, Revision(entry, chunks, new, "test", NOW))
    return await Collections(database).collection("acme", "docs")


async def scores(database: TenantDatabase, collection: Collection, query: str) -> dict[tuple[str, int], float]:
    index = Index(database, ANSERINI, exact_windows=10)
    leg = await index.best_matching(collection, Counter(query.split()), None, 5000)
    found = await index.found(collection, [chunk for chunk, _ in leg])
    return {(found[chunk].document_id, found[chunk].ordinal): score for chunk, score in leg}


def expected(documents: dict[str, list[list[str]]], query: str) -> dict[tuple[str, int], float]:
    places = [(name, n) for name, words in documents.items() for n in range(len(words))]
    words = dict(enumerate(text for texts in documents.values() for text in texts))
    return {places[at]: score for at, score in plain(words, Counter(query.split())).items()}


async def test_packed_and_single_postings_together_score_as_if_there_were_no_difference(database, superuser_url):
    documents = {
        "large": [["common", f"only{n}", *["often"] * (n % 3)] for n in range(MANY)],
        "small": [["common", "often"], ["only7", "rare"]],
    }
    for name, words in documents.items():
        collection = await store(database, name, words)
    assert stored(superuser_url) == {"segments": MANY + 3, "postings": 4}
    for query in ("common often", "only7", "rare only600 missing"):
        assert await scores(database, collection, query) == pytest.approx(expected(documents, query))


async def test_what_is_replaced_or_deleted_leaves_segments_too(database, superuser_url):
    documents = {name: [["common", name, f"{name}{n % 5}"] for n in range(MANY)] for name in ("a", "b")}
    for name, words in documents.items():
        await store(database, name, words)
    documents["a"] = [*documents["a"][:10], ["common", "fresh"]]
    collection = await store(database, "a", documents["a"])
    for query in ("common", "a a3", "b2 fresh"):
        assert await scores(database, collection, query) == pytest.approx(expected(documents, query))
    for name in documents:
        await DocumentStore(database).delete("acme", "docs", name)
    assert stored(superuser_url) == {"segments": 0, "postings": 0}


async def test_segments_are_filled_before_others_are_begun_however_small_the_writes(database, superuser_url):
    documents = {f"d{number}": [["common", f"d{number}"] for _ in range(150)] for number in range(12)}
    for name, words in documents.items():
        collection = await store(database, name, words)
    # Packed after 600, 1,200 and 1,800 chunks.
    assert lengths_of("common", superuser_url) == [512, 512, 512, 264]
    assert lengths_of("d3", superuser_url) == [150]
    await DocumentStore(database).delete("acme", "docs", "d4")
    assert sum(lengths_of("common", superuser_url)) == 1650
    del documents["d4"]
    collection = await Collections(database).collection("acme", "docs")
    assert await scores(database, collection, "common d11") == pytest.approx(expected(documents, "common d11"))


def lengths_of(term: str, superuser_url: str) -> list[int]:
    """Postings in each of a term's segments, in order."""
    query = "SELECT octet_length(postings) / 12 FROM retrieval.segments WHERE term = %s ORDER BY first"
    with psycopg.connect(superuser_url) as session:
        return [length for (length,) in session.execute(query, (term,))]


def stored(superuser_url: str) -> dict[str, int]:
    with psycopg.connect(superuser_url) as session:
        return {
            table: session.execute(f"SELECT count(*) FROM retrieval.{table}").fetchone()[0]  # noqa: S608
            for table in ("segments", "postings")
        }
