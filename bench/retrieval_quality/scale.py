"""Scale: the time of searches and ingests in a collection of 10,000 chunks, and in one of 100,000."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass

from bench.report.samples import Samples, quantile
from bench.retrieval_quality.embedders import Made
from bench.retrieval_quality.filling import EXACT_WINDOWS, Source, fill
from bench.retrieval_quality.stage import TENANT, Client, service
from pgvector import HalfVector

from weft_kit.rpc.errors import WeftError
from weft_retrieval.storage.postgres import TenantDatabase

SIZES = (10_000, 100_000)
RATE = 20
ROUNDS = 5
SECONDS = 15
"""The length of a round: 300 searches, so that its p99 rests on the three slowest."""
_WARM_S = 5
_WORKERS = 4
_PROBES = 100
_TOP_K = 10
# The measured ingest: chunks per document, and in all.
_MEASURED = 10
_INGESTED = 1_000
_ADDED = 100
_LIMIT_S = 60.0
_ADD = """
    INSERT INTO windows SELECT like_it.chunk, like_it.collection_id, like_it.document, n.embedding
    FROM unnest(%b::halfvec[]) n (embedding), (
        SELECT w.* FROM windows w JOIN collections c ON c.id = w.collection_id WHERE c.name = %s LIMIT 1
    ) like_it
"""


@dataclass(frozen=True, slots=True)
class Ground:
    """What a measurement uses: made vectors, from `made`, served at `free`, and real ones, from `real`."""

    postgres_url: str
    source: Source
    queries: Sequence[str]
    made: Made
    free: str
    real: str


@dataclass(frozen=True, slots=True)
class Times:
    """Milliseconds per answered search, for each round, and the number of failed searches in all rounds."""

    p50: Samples
    p99: Samples
    failed: int

    @classmethod
    def of(cls, rounds: Sequence[Sequence[float | None]]) -> "Times":
        """Returns the times of rounds, given the seconds of every search, None for one that failed."""
        answered = [[took for took in one if took is not None] for one in rounds]
        p50, p99 = (Samples.of(1000 * quantile(took, share) for took in answered) for share in (0.5, 0.99))
        return cls(p50, p99, sum(map(len, rounds)) - sum(map(len, answered)))


@dataclass(frozen=True, slots=True)
class Stretch:
    """The results at one size: seconds to build the index, search times without and with feedback, the share of hits
    that an exact search also finds, chunks ingested per second, and milliseconds to add a window, its index included.
    """

    chunks: int
    index_s: float
    without: Times
    with_feedback: Times
    same_hits: float
    ingested_per_s: float
    window_ms: float


async def measure(ground: Ground, sizes: Sequence[int]) -> list[Stretch]:
    """Fills a collection of each size, then searches it and adds to it."""
    stretches = []
    for size in sizes:
        index_s = await fill(ground.postgres_url, name_of(size), ground.source, ground.made, size)
        stretches.append(await stretch(ground, size, index_s))
        print(stretches[-1], flush=True)
    return stretches


async def stretch(ground: Ground, size: int, index_s: float) -> Stretch:
    """Measures a filled collection."""
    name = name_of(size)
    async with service(ground.postgres_url, ground.real) as reader:
        await _paced(reader, name, ground.queries, _WARM_S, feedback=True)
        without, with_feedback = await _rounds(reader, name, ground.queries)
    same = await _same_hits(ground, name)
    window_ms = await _window_ms(ground, name)
    async with service(ground.postgres_url, ground.free) as writer:
        per_s = await _ingest(writer, name, ground.source)
    return Stretch(size, index_s, without, with_feedback, same, per_s, window_ms)


def name_of(size: int) -> str:
    """Returns the name of the collection with a size."""
    return f"chunks-{size}"


async def _window_ms(ground: Ground, name: str) -> float:
    """Returns the milliseconds to add a window; removes all that it added."""
    windows = [HalfVector(ground.made.vector(ground.source.chunk()[0])) for _ in range(_ADDED)]
    async with (
        TenantDatabase(ground.postgres_url, connections=2, hnsw_ef_search=128) as database,
        database.transaction(TENANT, _LIMIT_S) as connection,
    ):
        began = time.perf_counter()
        await connection.execute(_ADD, (windows, name))
        took = time.perf_counter() - began
        await connection.rollback()
    return took / _ADDED * 1000


async def _ingest(client: Client, name: str, source: Source) -> float:
    """Ingests through the RPC; returns chunks per second."""
    texts = [" ".join(source.chunk()[0] for _ in range(_MEASURED)) for _ in range(_INGESTED // _MEASURED)]
    before = (await client.collection(name)).chunk_count
    documents = iter(enumerate(texts))
    began = time.perf_counter()

    async def worker() -> None:
        for number, text in documents:
            await client.ingest(name, f"measured {number}", "", text)

    await asyncio.gather(*(worker() for _ in range(_WORKERS)))
    took = time.perf_counter() - began
    return ((await client.collection(name)).chunk_count - before) / took


async def _rounds(client: Client, name: str, queries: Sequence[str]) -> tuple[Times, Times]:
    """Searches without and with feedback in turns, so that whatever else the machine does affects both."""
    took: dict[bool, list[list[float | None]]] = {False: [], True: []}
    for _ in range(ROUNDS):
        for feedback, rounds in took.items():
            rounds.append(await _paced(client, name, queries, SECONDS, feedback=feedback))
    return Times.of(took[False]), Times.of(took[True])


async def _paced(
    client: Client, name: str, queries: Sequence[str], seconds: float, *, feedback: bool
) -> list[float | None]:
    """Searches RATE times a second, whether or not earlier searches have ended; returns the seconds of each.

    It is None for one that failed: some do on a machine that is too busy, and the others still count.
    """

    async def one(number: int) -> float | None:
        await asyncio.sleep(number / RATE)
        began = time.perf_counter()
        try:
            await client.search(name, queries[number % len(queries)], _TOP_K, feedback=feedback)
        except WeftError:
            return None
        return time.perf_counter() - began

    return await asyncio.gather(*(one(number) for number in range(int(seconds * RATE))))


async def _same_hits(ground: Ground, name: str) -> float:
    """Returns the share of hits that an exact search, which compares every vector, also finds."""
    found = []
    for windows in (EXACT_WINDOWS, 10_000_000):
        settings = {"exact_windows": windows}
        async with service(ground.postgres_url, ground.real, settings=settings) as client:
            answers = [await client.search(name, query, _TOP_K) for query in ground.queries[:_PROBES]]
            found.append([{hit.chunk_id for hit in answer.hits} for answer in answers])
    approximate, exact = found
    return sum(len(one & two) for one, two in zip(approximate, exact, strict=True)) / sum(map(len, exact))
