"""Two ways to make one order out of the same two legs: by their scores, as the service does, and by their places.

Without the rest of `make eval-retrieval`: `python -m bench.retrieval_quality.fusions --data FOLDER --sets FOLDER`.
"""

import argparse
import asyncio
import logging
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import structlog
import uvloop
from bench import evaldata
from bench.report.markdown import paragraph, table
from bench.retrieval_quality.corpora import NAMES, Corpus, load, title
from bench.retrieval_quality.embedders import Remembering, embedder_name, real_inference, served
from bench.retrieval_quality.known_items import REPORTING
from bench.retrieval_quality.known_items import load as load_known_items
from bench.retrieval_quality.quality import K, Run, by_question, by_rank, ingest, margin
from bench.retrieval_quality.stage import Client, postgres, service

from weft_kit.rpc.channel import Channel
from weft_retrieval.ranking.fusion import fuse

LANGUAGES: Final = ("en", "de", "es", "ru")
_DEPTH: Final = 100
_ALONE: Final[Mapping[str, Mapping[str, float]]] = {
    # One more than is used: the score of a leg's last chunk is scaled to 0, so it would count as not found.
    "dense": {"keyword_weight": 0, "top_n": _DEPTH + 1},
    "keyword": {"dense_weight": 0, "top_n": _DEPTH + 1},
}
_WEIGHTS: Final = {"dense": 1.0, "keyword": 1.0}
_AT_ONCE: Final = 4
_METHOD: Final = f"""\
The hundred best chunks of each leg, the same for both ways, are joined by their scores, scaled and added up as the
service does, and by reciprocal ranks (k = {K}). nDCG@10; the last column is the mean of the difference over the
questions with its 95 % interval. In XQuAD a language's 240 paragraphs are the documents, and the questions asked of
every second article the queries, each with one right paragraph; the embedder knows English only."""


@dataclass(frozen=True, slots=True)
class Compared:
    """The results of the legs and of both ways on one corpus, and how far scores are ahead of places."""

    corpus: str
    questions: int
    words: float
    vectors: float
    by_scores: float
    by_places: float
    margin: float
    """Half the width of the difference's 95 % interval."""


class _Legs:
    """What each leg found for each question: chunk → score, best first."""

    def __init__(self) -> None:
        self._found: dict[str, Run] = {leg: {} for leg in _ALONE}
        self._documents: dict[str, str] = {}

    async def ask(self, leg: str, client: Client, corpus: Corpus) -> None:
        """Searches with one leg only."""
        turn = asyncio.Semaphore(_AT_ONCE)

        async def one(query: str, text: str) -> None:
            async with turn:
                hits = (await client.search(corpus.name, text, _DEPTH)).hits
            self._documents |= {hit.chunk_id: hit.document_id for hit in hits}
            brought = [(hit.chunk_id, getattr(hit, leg)) for hit in hits if hit.HasField(leg)]
            self._found[leg][query] = {
                chunk: seen.score for chunk, seen in sorted(brought, key=lambda one: one[1].rank)
            }

        await asyncio.gather(*(one(query, text) for query, text in corpus.queries.items()))

    def alone(self, leg: str) -> Run:
        return self._of_documents(self._found[leg])

    def by_scores(self) -> Run:
        return self._of_documents({query: self._fused(query) for query in self._found["dense"]})

    def by_places(self) -> Run:
        return self._of_documents(by_rank(list(self._found.values())))

    def _fused(self, query: str) -> dict[str, float]:
        chunks = list(self._documents)
        number = {chunk: at for at, chunk in enumerate(chunks)}
        legs = {
            leg: [(number[chunk], score) for chunk, score in run[query].items()] for leg, run in self._found.items()
        }
        return {chunks[hit.chunk]: hit.score for hit in fuse(legs, _WEIGHTS, _DEPTH)}

    def _of_documents(self, chunks: Run) -> Run:
        """Returns documents instead of chunks, each with the place of its best chunk."""
        run: Run = {}
        for query, found in chunks.items():
            best = run[query] = {}
            for chunk, score in found.items():
                document = self._documents[chunk]
                best[document] = max(score, best.get(document, score))
        return run


async def measure(there: Sequence[Corpus], new: Sequence[Corpus], postgres_url: str, inference: str) -> list[Compared]:
    """Compares both ways on corpora that are already ingested, and on new ones."""
    async with service(postgres_url, inference) as client:
        for corpus in new:
            await ingest(client, corpus)
    legs = {corpus.name: _Legs() for corpus in (*there, *new)}
    for leg, settings in _ALONE.items():
        async with service(postgres_url, inference, settings=settings) as client:
            for corpus in (*there, *new):
                await legs[corpus.name].ask(leg, client, corpus)
    return [_compared(corpus, legs[corpus.name]) for corpus in (*there, *new)]


def known_items(sets: Path) -> list[Corpus]:
    """Returns XQuAD in the languages compared: the half that no setting was chosen on."""
    return load_known_items(sets, REPORTING, LANGUAGES)


def section(compared: Sequence[Compared]) -> list[str]:
    """Returns the section of the report."""
    head = ("", "questions", "words alone", "vectors alone", "by scores", "by places", "difference")
    rows = (
        (
            title(one.corpus),
            str(one.questions),
            *(f"{figure:.3f}" for figure in (one.words, one.vectors, one.by_scores, one.by_places)),
            f"{one.by_scores - one.by_places:+.3f} ± {one.margin:.3f}",
        )
        for one in compared
    )
    return ["### By scores or by places", "", *paragraph(_METHOD), *table(head, rows)]


def _compared(corpus: Corpus, legs: _Legs) -> Compared:
    by_scores, by_places = by_question(corpus, legs.by_scores()), by_question(corpus, legs.by_places())
    alone = {leg: statistics.fmean(by_question(corpus, legs.alone(leg)).values()) for leg in _ALONE}
    return Compared(
        corpus.name,
        len(corpus.queries),
        alone["keyword"],
        alone["dense"],
        statistics.fmean(by_scores.values()),
        statistics.fmean(by_places.values()),
        margin(by_scores, by_places),
    )


async def _main(data: Path, sets: Path | None, vectors: Path | None) -> str:
    corpora = [*(load(data, name) for name in NAMES), *(known_items(sets) if sets else ())]
    with TemporaryDirectory(prefix="weft-eval-") as folder:
        root = Path(folder)
        with postgres(root / "postgres") as server, real_inference(root / "inference") as real:
            async with Channel(real, "inference") as channel:
                remembering = Remembering(channel, await embedder_name(channel), vectors)
                async with served(remembering) as inference:
                    compared = await measure((), corpora, server.url, inference)
                remembering.save()
    return "\n".join(section(compared))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="bench.retrieval_quality.fusions", description=__doc__)
    evaldata.add_option(parser)
    parser.add_argument("--sets", type=Path, help="folder that holds xquad/; none by default")
    parser.add_argument("--vectors", type=Path, help="file that keeps vectors for the next run (.npz); none by default")
    given = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    print(uvloop.run(_main(evaldata.folder(given.data), given.sets, given.vectors)))
