"""Reranks the best hits through the inference service, as long as a search can wait for it."""

from collections.abc import Sequence

from prometheus_client import Counter

from weft.inference.v1 import inference_pb2 as pb
from weft.inference.v1 import inference_pb2_grpc as rpc
from weft_kit.logging import note
from weft_kit.rpc.channel import Channel
from weft_kit.rpc.errors import WeftError

MISSED = Counter("weft_retrieval_rerank_missed", "Searches that were answered without the reranker's opinion.")


class RerankingClient:
    """Scores the first `depth` hits, or none when that takes longer than the budget."""

    def __init__(self, channel: Channel, *, depth: int, budget_s: float) -> None:
        self.depth = depth
        self._channel = channel
        self._stub = rpc.InferenceServiceStub(channel.raw)
        self._budget_s = budget_s

    async def scores(self, query: str, texts: Sequence[str]) -> list[float]:
        """Returns a score per text, higher is better; none at all if no answer comes in time."""
        request = pb.RerankRequest(query=query, documents=texts)
        try:
            answer: pb.RerankResponse = await self._channel.unary(
                self._stub.Rerank(request, **self._channel.call(self._budget_s))
            )
        except WeftError as error:
            # The fused order is good without it; a search must not fail or wait for reranking.
            MISSED.inc()
            note(rerank_missed=error.reason_name)
            return []
        by_index = {result.index: result.score for result in answer.results}
        return [by_index[index] for index in range(len(texts))]
