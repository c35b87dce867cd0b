"""Scale: what a search and an ingest take in a collection of 10,000 chunks, and in one of 100,000."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256

import numpy as np
from bench.retrieval_quality.corpora import Corpus
from bench.retrieval_quality.embedders import Made
from bench.retrieval_quality.stage import TENANT, Client, service

from weft_retrieval.analysis import analyzer
from weft_retrieval.chunking import Chunk, Chunking
from weft_retrieval.formats import ContentType
from weft_retrieval.hnsw_indexes import HnswIndexes
from weft_retrieval.postgres import Database
from weft_retrieval.postgres_catalog import Catalog
from weft_retrieval.postgres_documents import Documents, Entry, IndexedChunk, Revision

NAME = "large"
SIZES = (10_000, 100_000)
RATE = 20
_SECONDS = 60
_WARM_S = 5
_SENTENCES = 8
_CHUNKING = Chunking(max_tokens=256, overlap_tokens=0)
_EXACT_WINDOWS = 10_000
_WORKERS = 4
_PROBES = 100
_TOP_K = 10
# Documents that fill the collection, and those that are ingested to measure it, in chunks.
_FILLING = 200
_MEASURED = 10
_INGESTED = 1_000


@dataclass(frozen=True, slots=True)
class Stretch:
    """What was seen at one size: chunks ingested a second, seconds to build the index, milliseconds a search."""

    chunks: int
    ingested_per_s: float
    index_s: float
    p50: float
    p99: float
    same_hits: float


async def measure(
    corpora: Sequence[Corpus], postgres_url: str, made: Made, free: str, real: str, seconds: float = _SECONDS
) -> list[Stretch]:
    """Fills a collection with vectors that cost nothing (`made`, served at `free`); searches it with real ones."""
    source = _Source(corpora)
    queries = list(corpora[0].queries.values())
    stretches = []
    for size in SIZES:
        index_s = await _fill(postgres_url, source, made, size)
        async with service(postgres_url, free) as writer:
            per_s = await _ingest(writer, source)
        async with service(postgres_url, real) as reader:
            await _paced(reader, queries, _WARM_S)
            took = await _paced(reader, queries, seconds)
        same = await _same_hits(postgres_url, real, queries[:_PROBES])
        p50, p99 = np.percentile(took, (50, 99)) * 1000
        stretches.append(Stretch(size, per_s, index_s, float(p50), float(p99), same))
        print(stretches[-1], flush=True)
    return stretches


class _Source:
    """Texts of sentences drawn at random from real ones, so that words are as common as they are."""

    def __init__(self, corpora: Sequence[Corpus]) -> None:
        analyze = analyzer("english")
        sentences = [sentence for corpus in corpora for sentence in corpus.sentences()]
        self._sentences = [(sentence, Counter(analyze(sentence))) for sentence in sentences]
        self._random = random.Random(1)

    def chunk(self) -> tuple[str, Counter[str]]:
        """Returns a text, about as long as a window, and its terms."""
        drawn = self._random.choices(self._sentences, k=_SENTENCES)
        return " ".join(sentence for sentence, _ in drawn), sum((terms for _, terms in drawn), Counter())


async def _fill(postgres_url: str, source: _Source, made: Made, size: int) -> float:
    """Stores large documents until there are `size` chunks; returns the seconds that building the index then takes."""
    async with Database(postgres_url, connections=4, hnsw_ef_search=128) as database:
        collection = await Catalog(database).create(TENANT, NAME, _CHUNKING, "english")
        documents = Documents(database)
        for number in range(collection.chunk_count, size, _FILLING):
            seen = await documents.standing(TENANT, NAME, f"filling {number}")
            await documents.replace(seen, _document(f"filling {number}", source, made))
        began = time.perf_counter()
        await HnswIndexes(database, exact_windows=_EXACT_WINDOWS).build_due()
        return time.perf_counter() - began


def _document(name: str, source: _Source, made: Made) -> Revision:
    new = list(_chunks(name, source, made))
    entry = Entry(name, "", "", ContentType.TEXT, {}, (), "", name)
    return Revision(entry, [added.chunk for added in new], new, made.name, datetime.now(UTC))


def _chunks(name: str, source: _Source, made: Made) -> Iterator[IndexedChunk]:
    for ordinal in range(_FILLING):
        text, terms = source.chunk()
        key = sha256(f"{name} {ordinal}".encode()).hexdigest()[:32]
        yield IndexedChunk(Chunk(key, ordinal, text, (), "", (text,)), terms, made.vector(text)[np.newaxis])


async def _ingest(client: Client, source: _Source) -> float:
    """Ingests through the RPC; returns chunks a second."""
    before = (await client.collection(NAME)).chunk_count
    began = time.perf_counter()
    numbers = iter(range(_INGESTED // _MEASURED))

    async def worker() -> None:
        for number in numbers:
            text = " ".join(source.chunk()[0] for _ in range(_MEASURED))
            await client.ingest(NAME, f"measured {before} {number}", "", text)

    await asyncio.gather(*(worker() for _ in range(_WORKERS)))
    return ((await client.collection(NAME)).chunk_count - before) / (time.perf_counter() - began)


async def _paced(client: Client, queries: Sequence[str], seconds: float) -> list[float]:
    """Searches RATE times a second, whether or not the searches before have ended; returns the seconds of each."""

    async def one(number: int) -> float:
        await asyncio.sleep(number / RATE)
        began = time.perf_counter()
        await client.search(NAME, queries[number % len(queries)], _TOP_K)
        return time.perf_counter() - began

    return await asyncio.gather(*(one(number) for number in range(int(seconds * RATE))))


async def _same_hits(postgres_url: str, inference: str, queries: Sequence[str]) -> float:
    """Returns the share of hits that are those of comparing every vector."""
    found = []
    for windows in (_EXACT_WINDOWS, 10_000_000):
        async with service(postgres_url, inference, settings={"exact_windows": windows}) as client:
            answers = [await client.search(NAME, query, _TOP_K) for query in queries]
            found.append([{hit.chunk_id for hit in answer.hits} for answer in answers])
    approximate, exact = found
    return sum(len(one & two) for one, two in zip(approximate, exact, strict=True)) / sum(map(len, exact))
