"""Vectors from the inference service, requested in batches."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from weft.common.v1 import error_pb2
from weft.inference.v1 import inference_pb2 as pb
from weft.inference.v1 import inference_pb2_grpc as rpc
from weft_kit.rpc.channel import Channel
from weft_kit.rpc.errors import FailedPrecondition
from weft_kit.tasks import together

_LIMIT_S = 60.0
_MOST_UNREAD = 0.4
"""Share of tokens that tell the embedder nothing from which a text's vector says nothing of it, either. Chosen on XQuAD
and JaQuAD: texts in other than Latin letters have more, texts in Latin letters nearly always less."""


@dataclass(frozen=True, slots=True)
class Vectors:
    """Unit vectors, one row per text, the embedder that made them, and which of the texts it could read."""

    rows: NDArray[np.float32]
    embedder: str
    is_read: NDArray[np.bool_]

    @property
    def dimensions(self) -> int:
        return int(self.rows.shape[1])

    def check_comparable(self, collection: str, embedder: str) -> None:
        """Raises FailedPrecondition if the collection's vectors are from another embedder ("" means none yet)."""
        if embedder in {"", self.embedder}:
            return
        raise FailedPrecondition(
            error_pb2.ERROR_REASON_EMBEDDER_MISMATCH,
            f"collection {collection!r} was embedded by {embedder}, and {self.embedder} is running: run {embedder}, or "
            "ingest the documents into a new collection",
            collection_embedder=embedder,
            running_embedder=self.embedder,
        )


class EmbeddingClient:
    """Embeds any number of texts, a few batches at a time over all callers, so that no ingest starves the searches."""

    def __init__(self, channel: Channel, *, batch_texts: int, batches_in_flight: int) -> None:
        self._channel = channel
        self._stub = rpc.InferenceServiceStub(channel.raw)
        self._batch_texts = batch_texts
        self._turn = asyncio.Semaphore(batches_in_flight)

    async def query(self, text: str) -> Vectors:
        """Embeds a question, ahead of all documents. A long question may be cut off: its beginning says what it
        asks.
        """
        return _vectors([await self._embed([text])])

    async def documents(self, texts: Sequence[str]) -> Vectors:
        """Embeds at least one text; raises FailedPrecondition when the embedder could not read one to its end."""
        batches = [texts[at : at + self._batch_texts] for at in range(0, len(texts), self._batch_texts)]
        answers = await together(self._in_turn(batch) for batch in batches)
        if any(embedding.truncated for answer in answers for embedding in answer.embeddings):
            embedder = answers[0].embedder
            raise FailedPrecondition(
                error_pb2.ERROR_REASON_EMBEDDER_MISMATCH,
                f"{embedder} does not read whole windows; lower WEFT_RETRIEVAL_WINDOW_TOKENS to what it reads",
                embedder=embedder,
            )
        return _vectors(answers)

    async def _in_turn(self, texts: Sequence[str]) -> pb.EmbedResponse:
        async with self._turn:
            return await self._embed(texts)

    async def _embed(self, texts: Sequence[str]) -> pb.EmbedResponse:
        request = pb.EmbedRequest(texts=texts)
        answer: pb.EmbedResponse = await self._channel.unary(self._stub.Embed(request, **self._channel.call(_LIMIT_S)))
        return answer


def _vectors(answers: Sequence[pb.EmbedResponse]) -> Vectors:
    embeddings = [embedding for answer in answers for embedding in answer.embeddings]
    rows = np.array([embedding.values for embedding in embeddings], dtype=np.float32)
    is_read = np.array([embedding.unread_share < _MOST_UNREAD for embedding in embeddings])
    return Vectors(rows, answers[0].embedder, is_read)
