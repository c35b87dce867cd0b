"""Measures retrieval on public collections: `python -m bench.retrieval_quality --data FOLDER --sets FOLDER`."""

import argparse
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import structlog
import uvloop
from bench import evaldata
from bench.retrieval_quality import feedback, fusions, known_items, quality, reanalysis, report, rerank, scale
from bench.retrieval_quality.corpora import NAMES, Corpus, load
from bench.retrieval_quality.embedders import Made, Remembering, embedder_name, real_inference, served
from bench.retrieval_quality.filling import Source
from bench.retrieval_quality.stage import postgres

from weft.inference.v1 import inference_pb2 as pb
from weft.inference.v1 import inference_pb2_grpc as rpc
from weft_kit.rpc.channel import Channel

_REPORT: Final = Path(__file__).parents[1] / "RETRIEVAL.md"
_PARTS: Final = ("quality", "scale")
_SAMPLE: Final = 32
_LIMIT_S: Final = 600.0


@dataclass(frozen=True, slots=True)
class Plan:
    """What to measure: the parts, the collections with judgements, known items, and how many chunks to search."""

    parts: Sequence[str]
    corpora: Sequence[Corpus]
    known: Sequence[Corpus]
    sizes: Sequence[int]


async def main(plan: Plan, vectors: Path | None) -> report.Measured:
    """Takes the measurements."""
    with TemporaryDirectory(prefix="weft-eval-") as folder:
        root = Path(folder)
        with postgres(root / "postgres") as server, real_inference(root / "inference") as real:
            async with Channel(real, "inference") as channel:
                remembering = Remembering(channel, await embedder_name(channel), vectors)
                measured = report.Measured()
                if "quality" in plan.parts:
                    measured.quality = await _quality(plan, server.url, channel, remembering)
                if "scale" in plan.parts:
                    measured.scale = await _scale(plan, server.url, real, channel, remembering)
                return measured


async def _quality(plan: Plan, postgres_url: str, channel: Channel, remembering: Remembering) -> report.Quality:
    compared_too = [corpus for corpus in plan.known if corpus.name in fusions.LANGUAGES]
    async with served(remembering) as remembered:
        scores = await quality.measure(plan.corpora, postgres_url, remembered)
        remembering.save()
        known = await known_items.measure(plan.known, postgres_url, remembered)
        remembering.save()
        there = [*plan.corpora, *compared_too]
        changes = await feedback.measure(there, postgres_url, remembered)
        compared = await fusions.measure(there, (), postgres_url, remembered)
        votes = await rerank.measure(plan.corpora, postgres_url, remembered, channel)
    return report.Quality(scores, known, changes, compared, votes)


async def _scale(plan: Plan, postgres_url: str, real: str, channel: Channel, remembering: Remembering) -> report.Scale:
    sentences = plan.corpora[0].sentences()
    # A part measured alone has no vectors yet from which to make others.
    await remembering.Embed(pb.EmbedRequest(texts=sentences[:_SAMPLE]), None)
    made = Made(remembering.vectors(), remembering.name)
    async with served(made) as free:
        queries = list(plan.corpora[0].queries.values())
        ground = scale.Ground(postgres_url, Source(plan.corpora), queries, made, free, real)
        reanalysed_per_s = await reanalysis.chunks_per_s(ground)
        stretches = await scale.measure(ground, plan.sizes)
    return report.Scale(stretches, await _embedded_per_s(channel, sentences), reanalysed_per_s)


async def _embedded_per_s(channel: Channel, sentences: list[str]) -> float:
    """Returns how many texts of eight sentences, the length of a window, the embedder reads per second."""
    texts = [" ".join(sentences[at : at + 8]) for at in range(0, 8 * _SAMPLE, 8)]
    began = time.perf_counter()
    await rpc.InferenceServiceStub(channel.raw).Embed(pb.EmbedRequest(texts=texts), timeout=_LIMIT_S)
    return len(texts) / (time.perf_counter() - began)


def _plan(parts: Sequence[str], data: Path, sets: Path | None, sizes: Sequence[int]) -> Plan:
    known = known_items.load(sets, known_items.REPORTING) if sets else []
    return Plan(parts, [load(data, name) for name in NAMES], known, sizes)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="bench.retrieval_quality", description=__doc__)
    evaldata.add_option(parser)
    evaldata.add_sets_option(parser)
    parser.add_argument("--vectors", type=Path, help="file that keeps vectors for the next run (.npz); none by default")
    parser.add_argument("--only", choices=_PARTS, help="measure only this part, and leave the report as it is")
    parser.add_argument("--sizes", type=int, nargs="+", default=scale.SIZES, help="collection sizes, in chunks")
    given = parser.parse_args()
    # The log lines of thousands of calls would bury the figures.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    parts = [given.only] if given.only else _PARTS
    plan = _plan(parts, evaldata.folder(given.data), evaldata.sets_folder(given.sets), given.sizes)
    written = report.render(uvloop.run(main(plan, given.vectors)))
    if not given.only and tuple(given.sizes) == scale.SIZES:
        _REPORT.write_text(written)
    print(written)
