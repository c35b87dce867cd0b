"""Known items: each question must find the paragraph it was asked of, among all paragraphs of its language.

XQuAD in English and eleven other languages, and JaQuAD: `python -m bench.retrieval_quality.known_items --sets FOLDER`.
The folder has `xquad/LANGUAGE.json` and `jaquad/*.json`, in SQuAD's format. Every second article is for choosing
settings, the others are for reporting; the questions of each half search all paragraphs. WEFT_INFERENCE_EMBEDDER names
the embedder.
"""

import argparse
import asyncio
import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import structlog
import uvloop
from bench.retrieval_quality.corpora import Corpus
from bench.retrieval_quality.embedders import embedder_name, real_inference
from bench.retrieval_quality.quality import ingest
from bench.retrieval_quality.stage import Client, postgres, service

from weft_kit.rpc.channel import Channel

CHOOSING, REPORTING = 0, 1
"""The halves: articles of even and of odd places."""
_LEGS: Mapping[str, Mapping[str, float]] = {
    "words alone": {"dense_weight": 0},
    "vectors alone": {"keyword_weight": 0},
    "both (default)": {},
}
_DEPTH = 3
_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class Recall:
    """The share of one corpus's questions whose paragraph was among the first three hits."""

    corpus: str
    way: str
    questions: int
    recall: float


def load(folder: Path, half: int, names: Sequence[str] = ()) -> list[Corpus]:
    """Returns the sets in a folder; `names` are languages of XQuAD, or "jaquad"; by default all there are."""
    files = {path.stem: [path] for path in sorted((folder / "xquad").glob("*.json"))}
    files["jaquad"] = sorted((folder / "jaquad").glob("*.json"))
    return [_corpus(name, files[name], half) for name in names or files]


async def measure(corpora: Sequence[Corpus], postgres_url: str, inference: str) -> list[Recall]:
    """Ingests every corpus once and searches it in every way."""
    async with service(postgres_url, inference) as client:
        for corpus in corpora:
            await ingest(client, corpus)
    found = []
    for way, settings in _LEGS.items():
        async with service(postgres_url, inference, settings=settings) as client:
            for corpus in corpora:
                found.append(Recall(corpus.name, way, len(corpus.queries), await _recall(client, corpus)))
                print(found[-1], flush=True)
    return found


async def _recall(client: Client, corpus: Corpus) -> float:
    turn = asyncio.Semaphore(_AT_ONCE)

    async def is_found(key: str, query: str) -> bool:
        async with turn:
            hits = (await client.search(corpus.name, query, _DEPTH)).hits
        # A hit without a score was found only by the leg with weight 0.
        return any(hit.document_id in corpus.judgements[key] for hit in hits if hit.score)

    found = await asyncio.gather(*(is_found(key, query) for key, query in corpus.queries.items()))
    return sum(found) / len(found)


def _corpus(name: str, files: Sequence[Path], half: int) -> Corpus:
    documents: dict[str, tuple[str, str]] = {}
    queries: dict[str, str] = {}
    judgements: dict[str, Mapping[str, int]] = {}
    for place, article in enumerate(_articles(files)):
        for paragraph in article["paragraphs"]:
            key = str(len(documents))
            documents[key] = ("", paragraph["context"])
            for asked in paragraph["qas"] if place % 2 == half else ():
                queries[asked["id"]] = asked["question"]
                judgements[asked["id"]] = {key: 1}
    return Corpus(name, documents, queries, judgements)


def _articles(files: Sequence[Path]) -> Iterator[dict[str, Any]]:
    for file in files:
        yield from json.loads(file.read_text("utf-8"))["data"]


async def main(sets: Path, half: int, names: Sequence[str]) -> None:
    """Measures the sets and prints the results."""
    with TemporaryDirectory(prefix="weft-eval-") as folder:
        root = Path(folder)
        with postgres(root / "postgres") as server, real_inference(root / "inference") as inference:
            async with Channel(inference, "inference") as channel:
                print(await embedder_name(channel), flush=True)
            await measure(load(sets, half, names), server.url, inference)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="bench.retrieval_quality.known_items", description=__doc__)
    parser.add_argument("--sets", type=Path, required=True, help="folder that holds xquad/ and jaquad/")
    parser.add_argument("--choosing", action="store_true", help="use the half for choosing settings")
    parser.add_argument("names", nargs="*", help="languages of XQuAD, or jaquad; all by default")
    given = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    uvloop.run(main(given.sets, CHOOSING if given.choosing else REPORTING, given.names))
