"""Measures retrieval on public collections: `python -m bench.retrieval_quality --data FOLDER`."""

import argparse
import logging
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import structlog
import uvloop
from bench import evaldata
from bench.retrieval_quality import quality, rerank, scale
from bench.retrieval_quality.corpora import NAMES, Corpus, load
from bench.retrieval_quality.embedders import Made, Remembering, embedder_name, real_inference, served
from bench.retrieval_quality.filling import Source
from bench.retrieval_quality.report import render
from bench.retrieval_quality.stage import postgres

from weft.inference.v1 import inference_pb2 as pb
from weft.inference.v1 import inference_pb2_grpc as rpc
from weft_kit.channel import Channel

RESULTS = Path(__file__).parents[1] / "RETRIEVAL.md"
_SAMPLE = 32
_LIMIT_S = 600.0


async def main(data: Path, vectors: Path | None) -> str:
    """Takes all measurements and returns the report."""
    corpora = [load(data, name) for name in NAMES]
    with TemporaryDirectory(prefix="weft-eval-") as folder:
        root = Path(folder)
        with postgres(root / "postgres") as server, real_inference(root / "inference") as real:
            return await _measured(corpora, server.url, real, vectors)


async def _measured(corpora: list[Corpus], postgres_url: str, real: str, vectors: Path | None) -> str:
    async with Channel(real, "inference") as channel:
        remembering = Remembering(channel, await embedder_name(channel), vectors)
        async with served(remembering) as remembered:
            scores = await quality.measure(corpora, postgres_url, remembered)
            remembering.save()
            votes = await rerank.measure(corpora, postgres_url, remembered, channel)
        made = Made(remembering.vectors(), remembering.name)
        async with served(made) as free:
            queries = list(corpora[0].queries.values())
            ground = scale.Ground(postgres_url, Source(corpora), queries, made, free, real)
            stretches = await scale.measure(ground)
        return render(scores, votes, stretches, await _embedded_per_s(channel, corpora[0].sentences()))


async def _embedded_per_s(channel: Channel, sentences: list[str]) -> float:
    """Returns how many texts of eight sentences, as long as a window, the embedder reads in a second."""
    texts = [" ".join(sentences[at : at + 8]) for at in range(0, 8 * _SAMPLE, 8)]
    began = time.perf_counter()
    await rpc.InferenceServiceStub(channel.raw).Embed(pb.EmbedRequest(texts=texts), timeout=_LIMIT_S)
    return len(texts) / (time.perf_counter() - began)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="bench.retrieval_quality", description=__doc__)
    evaldata.add_option(parser)
    parser.add_argument("--vectors", type=Path, help="file that keeps vectors for the next run (.npz); none by default")
    given = parser.parse_args()
    # Thousands of calls would bury the figures.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    report = uvloop.run(main(evaldata.folder(given.data), given.vectors))
    RESULTS.write_text(report)
    print(report)
