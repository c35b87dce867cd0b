"""Search: both retrievers at once, fused into one order."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from prometheus_client import Histogram

from weft_kit.logging import note
from weft_kit.tasks import ended, together
from weft_retrieval.analysis.analyses import chunks_by_language
from weft_retrieval.analysis.analysis import query_terms
from weft_retrieval.analysis.former_analysis import FORMER, former_terms
from weft_retrieval.analysis.languages import asked_in
from weft_retrieval.inference.embedder import EmbeddingClient, Vectors
from weft_retrieval.inference.reranker import RerankingClient
from weft_retrieval.ranking.bm25 import Leg
from weft_retrieval.ranking.fusion import Fused, fuse, vote
from weft_retrieval.records import Collection, SearchHit
from weft_retrieval.search.exact_search import ExactSearch
from weft_retrieval.search.feedback import Feedback, FirstPass
from weft_retrieval.storage.collections import Collections
from weft_retrieval.storage.filters import Compiled
from weft_retrieval.storage.search import FoundChunk, Index
from weft_retrieval.storage.search_threads import in_search_thread

LEG_SECONDS = Histogram(
    "weft_retrieval_leg_seconds",
    "Time of one leg of a search, the wait for the query's embedding included.",
    ["leg"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5),
)


@dataclass(frozen=True, slots=True)
class Fusion:
    """How many chunks each retriever contributes, and the weight of its scores."""

    top_n: int
    dense_weight: float
    keyword_weight: float
    rerank_weight: float

    @property
    def rerank_share(self) -> float:
        return self.rerank_weight / (self.dense_weight + self.keyword_weight + self.rerank_weight)


@dataclass(frozen=True, slots=True)
class Results:
    """Hits, best first, and the collection's version they are of (or of an older one than some of them)."""

    hits: list[SearchHit]
    collection_version: int


class Searcher:
    def __init__(
        self,
        catalog: Collections,
        index: Index,
        unindexed: ExactSearch,
        embedder: EmbeddingClient,
        reranker: RerankingClient | None,
        fusion: Fusion,
        feedback: Feedback,
        *,
        feedback_by_default: bool,
    ) -> None:
        self._catalog = catalog
        self._index = index
        self._unindexed = unindexed
        self._embedder = embedder
        self._reranker = reranker
        self._fusion = fusion
        self._feedback = feedback
        self._feedback_by_default = feedback_by_default

    async def search(
        self,
        tenant: str,
        name: str,
        query: str,
        top_k: int,
        allowed: Compiled | None,
        *,
        with_feedback: bool | None = None,
    ) -> Results:
        """Finds up to `top_k` chunks; raises NotFound, and FailedPrecondition when another embedder runs.

        `with_feedback` makes both retrievers search a second time; None leaves that to the setting.
        """
        if with_feedback is None:
            with_feedback = self._feedback_by_default
        # The embedder need not know the collection, and takes longest.
        embedding = asyncio.create_task(self._embedder.query(query))
        try:
            # The version is read before the searches: an answer may be newer than it says, never older.
            collection = await self._catalog.collection(tenant, name)
            if not collection.chunk_count:
                return Results([], collection.version)
            first = await self._first_pass(collection, query, embedding, allowed)
        finally:
            await ended(embedding)
        dense, keyword = first.dense, first.keyword
        if with_feedback:
            dense, keyword = await self._second_pass(collection, first, allowed)
        return Results(await self._chosen(collection, query, top_k, dense, keyword), collection.version)

    async def _first_pass(
        self, collection: Collection, query: str, embedding: asyncio.Task[Vectors], allowed: Compiled | None
    ) -> FirstPass:
        terms = await in_search_thread(wanted_terms, collection, query)
        dense, keyword = await together(
            (self._dense(collection, embedding, allowed), self._keyword(collection, terms, allowed))
        )
        return FirstPass(embedding.result().rows[0], terms, dense, keyword)

    async def _second_pass(self, collection: Collection, first: FirstPass, allowed: Compiled | None) -> tuple[Leg, Leg]:
        fused = self._fused(first.dense, first.keyword)[: self._feedback.chunks]
        # A chunk without a score comes from a retriever of weight 0.
        best = [(hit.chunk, hit.score) for hit in fused if hit.score]
        if not best or not self._index.is_quick(collection):
            return first.dense, first.keyword
        return await self._feedback.second_pass(collection, first, best, allowed, self._fusion.top_n)

    def _fused(self, dense: Leg, keyword: Leg) -> list[Fused]:
        weights = {"dense": self._fusion.dense_weight, "keyword": self._fusion.keyword_weight}
        return fuse({"dense": dense, "keyword": keyword}, weights, self._fusion.top_n)

    async def _chosen(
        self, collection: Collection, query: str, top_k: int, dense: Leg, keyword: Leg
    ) -> list[SearchHit]:
        """Fuses the two lists and reads the hits."""
        best = self._fused(dense, keyword)
        reach = max(top_k, self._reranker.depth if self._reranker else 0)
        found = await self._index.found(collection, [fused.chunk for fused in best[:reach]])
        best = await self._reranked(query, [fused for fused in best if fused.chunk in found], found)
        hits = [_hit(fused, found[fused.chunk]) for fused in best[:top_k]]
        note(collection=collection.name, dense=len(dense), keyword=len(keyword), hits=len(hits))
        return hits

    async def _dense(self, collection: Collection, embedding: asyncio.Task[Vectors], allowed: Compiled | None) -> Leg:
        with LEG_SECONDS.labels("dense").time():
            vectors = await embedding
            vectors.check_comparable(collection.name, collection.embedder)
            if not collection.window_count:
                return []
            if not vectors.is_read[0]:
                note(dense_leg="left out: the embedder cannot read the query")
                return []
            nearest = partial(self._index.nearest, collection, vectors.rows[0], allowed, self._fusion.top_n)
            return await (nearest() if self._index.is_quick(collection) else self._unindexed.compare(nearest))

    async def _keyword(self, collection: Collection, terms: Mapping[str, float], allowed: Compiled | None) -> Leg:
        with LEG_SECONDS.labels("keyword").time():
            return await self._index.best_matching(collection, terms, allowed, self._fusion.top_n) if terms else []

    async def _reranked(self, query: str, best: list[Fused], found: Mapping[int, FoundChunk]) -> list[Fused]:
        if self._reranker is None or not best:
            return best
        asked = [found[fused.chunk] for fused in best[: self._reranker.depth]]
        scores = await self._reranker.scores(query, [f"{chunk.title}\n{chunk.text}" for chunk in asked])
        return vote(best, scores, self._fusion.rerank_share)


def wanted_terms(collection: Collection, query: str) -> dict[str, float]:
    """Returns a query's terms with their weights, in the languages that the collection has chunks of.

    A word that is the same in several counts once. The former terms are asked for while some chunks have those.
    """
    terms: dict[str, float] = {}
    for language, share in asked_in(query, chunks_by_language(collection.analysed)).items():
        for term, weight in query_terms(language, query).items():
            terms[term] = max(terms.get(term, 0.0), share * weight)
    for analysis in collection.analysed:
        if analysis.version == FORMER:
            terms = {**terms, **former_terms(analysis.language, query)}
    return terms


def _hit(fused: Fused, found: FoundChunk) -> SearchHit:
    return SearchHit(
        chunk_id=found.chunk_id,
        document_id=found.document_id,
        title=found.title,
        source_uri=found.source_uri,
        text=found.text,
        headings=tuple(found.headings),
        ordinal=found.ordinal,
        metadata=found.metadata,
        score=fused.score,
        dense=fused.legs.get("dense"),
        keyword=fused.legs.get("keyword"),
    )
