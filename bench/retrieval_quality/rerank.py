"""A third vote: what late interaction over the best hits adds, and what it costs."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import ir_measures
from bench.retrieval_quality.corpora import Corpus
from bench.retrieval_quality.stage import service
from ir_measures import nDCG

from weft.inference.v1 import inference_pb2 as pb
from weft.inference.v1 import inference_pb2_grpc as rpc
from weft_kit.rpc.channel import Channel

_QUERIES = 20
_DEPTH = 20
_LIMIT_S = 60.0


@dataclass(frozen=True, slots=True)
class Vote:
    """nDCG@10 of some queries without and with the third vote, and the seconds that it takes for one."""

    corpus: str
    before: float
    after: float
    seconds: float


async def measure(corpora: Sequence[Corpus], postgres_url: str, inference: str, channel: Channel) -> list[Vote]:
    """Lets Rerank of the inference service vote on the first hits of the first queries."""
    stub = rpc.InferenceServiceStub(channel.raw)
    votes = []
    async with service(postgres_url, inference) as client:
        for corpus in corpora:
            before: dict[str, dict[str, float]] = {}
            after: dict[str, dict[str, float]] = {}
            took = 0.0
            for query, text in list(corpus.queries.items())[:_QUERIES]:
                hits = (await client.search(corpus.name, text, _DEPTH)).hits
                began = time.perf_counter()
                request = pb.RerankRequest(query=text, documents=[f"{hit.title}\n{hit.text}" for hit in hits])
                results = (await stub.Rerank(request, timeout=_LIMIT_S)).results
                took += time.perf_counter() - began
                most, least = results[0].score, results[-1].score
                before[query], after[query] = {}, {}
                for result in results:
                    hit = hits[result.index]
                    third = (result.score - least) / max(most - least, 1e-9)
                    before[query].setdefault(hit.document_id, hit.score)
                    # One vote of three: the fused score already contains two.
                    after[query].setdefault(hit.document_id, (2 * hit.score + third) / 3)
            judged = {query: corpus.judgements[query] for query in before}
            scores = [ir_measures.calc_aggregate([nDCG @ 10], judged, run)[nDCG @ 10] for run in (before, after)]
            votes.append(Vote(corpus.name, *scores, took / len(before)))
            print(votes[-1], flush=True)
    return votes
