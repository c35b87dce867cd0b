"""Collections of any size, made of real sentences and of vectors between real ones."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from hashlib import sha256

import numpy as np
from bench.retrieval_quality.corpora import Corpus
from bench.retrieval_quality.embedders import Made
from bench.retrieval_quality.stage import TENANT

from weft_retrieval.analysis.analysis import AnalysedTerms, analyzer
from weft_retrieval.chunking.chunking import Chunk, Chunking
from weft_retrieval.formats import ContentType
from weft_retrieval.storage.collections import Collections
from weft_retrieval.storage.documents import DocumentStore
from weft_retrieval.storage.index import HnswIndexes
from weft_retrieval.storage.postgres import TenantDatabase
from weft_retrieval.storage.revisions import IndexedChunk, IndexEntry, Revision

EXACT_WINDOWS = 10_000
_CHUNKING = Chunking(max_tokens=256, overlap_tokens=0)
_SENTENCES = 8
_CHUNKS = 200
_TOLD_EVERY = 10_000


class Source:
    """Texts of sentences drawn at random from real ones, so that words are as common as in reality."""

    def __init__(self, corpora: Sequence[Corpus]) -> None:
        analyze = analyzer("english")
        sentences = [sentence for corpus in corpora for sentence in corpus.sentences()]
        self._sentences = [(sentence, analyze(sentence)) for sentence in sentences]
        self._random = random.Random(1)

    def chunk(self) -> tuple[str, AnalysedTerms]:
        """Returns a text, about as long as a window, and its terms."""
        drawn = self._random.choices(self._sentences, k=_SENTENCES)
        counts = sum((terms.counts for _, terms in drawn), Counter[str]())
        return " ".join(sentence for sentence, _ in drawn), AnalysedTerms(
            counts, sum(terms.length for _, terms in drawn)
        )


async def fill(postgres_url: str, name: str, source: Source, made: Made, size: int) -> float:
    """Stores large documents until there are `size` chunks; returns the seconds that building the index then takes."""
    async with TenantDatabase(postgres_url, connections=4, hnsw_ef_search=128) as database:
        collection = await Collections(database).create(TENANT, name, _CHUNKING, "english")
        documents = DocumentStore(database)
        for number in range(collection.chunk_count, size, _CHUNKS):
            revision = await asyncio.to_thread(_document, f"filling {number}", source, made)
            await documents.replace(await documents.standing(TENANT, name, f"filling {number}"), revision)
            if not (number + _CHUNKS) % _TOLD_EVERY:
                print(f"{name}: {number + _CHUNKS:,} chunks stored", flush=True)
        began = time.perf_counter()
        await HnswIndexes(database, exact_windows=EXACT_WINDOWS).build_due()
        return time.perf_counter() - began


def _document(name: str, source: Source, made: Made) -> Revision:
    new = list(_chunks(name, source, made))
    entry = IndexEntry(name, "", "", ContentType.TEXT, {}, (), "", name, "english")
    return Revision(entry, [added.chunk for added in new], new, made.name, datetime.now(UTC))


def _chunks(name: str, source: Source, made: Made) -> Iterator[IndexedChunk]:
    for ordinal in range(_CHUNKS):
        text, terms = source.chunk()
        key = sha256(f"{name} {ordinal}".encode()).hexdigest()[:32]
        yield IndexedChunk(Chunk(key, ordinal, text, (), "", (text,)), terms, made.vector(text)[np.newaxis])
