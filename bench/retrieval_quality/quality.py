"""Quality: public collections ingested and searched through the service, scored by ir-measures."""

import asyncio
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import ir_measures
from bench.retrieval_quality.corpora import Corpus
from bench.retrieval_quality.stage import Client, service
from ir_measures import R, nDCG

MEASURES = (nDCG @ 10, R @ 100)
_WORKERS = 8
_DEPTH = 100
_LEGS: Mapping[str, Mapping[str, float]] = {
    "BM25 alone": {"dense_weight": 0},
    "vectors alone": {"keyword_weight": 0},
    "both (default)": {},
}
_NORMAL_95 = 1.96
_SHARES = (0.3, 0.4, 0.6, 0.7)
K = 60
"""The constant of reciprocal rank fusion, as chosen by its authors."""

Run = dict[str, dict[str, float]]
"""Query → document → score."""


@dataclass(frozen=True, slots=True)
class Scores:
    """The scores of one way to search on one corpus."""

    corpus: str
    way: str
    ndcg: float
    recall: float


async def measure(corpora: Sequence[Corpus], postgres_url: str, inference: str) -> list[Scores]:
    """Ingests every corpus once and searches it in every way."""
    async with service(postgres_url, inference) as client:
        for corpus in corpora:
            await ingest(client, corpus)
    scores, runs = [], {}
    ways = dict(_LEGS) | {f"both, vectors weigh {share}": _weights(share) for share in _SHARES}
    for way, settings in ways.items():
        async with service(postgres_url, inference, settings=settings) as client:
            for corpus in corpora:
                run = runs[way, corpus.name] = await searched(client, corpus)
                scores.append(_scores(corpus, way, run))
                print(scores[-1], flush=True)
    for corpus in corpora:
        legs = [runs[way, corpus.name] for way in ways if way.endswith("alone")]
        scores.append(_scores(corpus, f"both, reciprocal ranks, k = {K}", by_rank(legs)))
    return scores


def by_rank(legs: Sequence[Run]) -> Run:
    """Fuses by places (Cormack et al., SIGIR 2009)."""
    fused: Run = {}
    for leg in legs:
        for query, found in leg.items():
            into = fused.setdefault(query, {})
            for rank, document in enumerate(sorted(found, key=lambda key: -found[key]), start=1):
                into[document] = into.get(document, 0.0) + 1 / (K + rank)
    return fused


async def ingest(client: Client, corpus: Corpus) -> None:
    await client.create(corpus.name)
    for batch in _batches(list(corpus.documents.items()), _WORKERS):
        await asyncio.gather(
            # Some documents of CACM are a title and nothing else.
            *(client.ingest(corpus.name, key, title, text or title) for key, (title, text) in batch)
        )


async def searched(client: Client, corpus: Corpus, *, feedback: bool | None = None) -> Run:
    """Searches for every question of a corpus that is already ingested."""
    run: Run = {}
    for query, text in corpus.queries.items():
        found: dict[str, float] = {}
        for hit in (await client.search(corpus.name, text, _DEPTH, feedback=feedback)).hits:
            # A hit without a score was found only by the leg with weight 0. A document has the place of its best chunk.
            if hit.score:
                found.setdefault(hit.document_id, hit.score)
        run[query] = found
    return run


def by_question(corpus: Corpus, run: Run) -> dict[str, float]:
    """Returns nDCG@10 of every question."""
    figures: Any = ir_measures.iter_calc([nDCG @ 10], corpus.judgements, run)
    return dict.fromkeys(corpus.queries, 0.0) | {one.query_id: one.value for one in figures}


def margin(one: Mapping[str, float], other: Mapping[str, float]) -> float:
    """Returns half the width of the 95 % interval of the difference of two runs, question by question."""
    apart = [one[question] - other[question] for question in one]
    return _NORMAL_95 * statistics.stdev(apart) / math.sqrt(len(apart))


def _scores(corpus: Corpus, way: str, run: Run) -> Scores:
    reached: Mapping[Any, float] = ir_measures.calc_aggregate(MEASURES, corpus.judgements, run)
    return Scores(corpus.name, way, reached[nDCG @ 10], reached[R @ 100])


def _weights(share: float) -> dict[str, float]:
    return {"dense_weight": share, "keyword_weight": 1 - share}


def _batches(items: list[Any], size: int) -> Sequence[Sequence[Any]]:
    return [items[at : at + size] for at in range(0, len(items), size)]
