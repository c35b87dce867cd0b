"""The inference service's RPCs."""

from collections.abc import AsyncIterator
from contextlib import aclosing

from weft.common.v1 import chat_pb2
from weft.inference.v1 import inference_pb2 as pb
from weft.inference.v1 import inference_pb2_grpc as rpc
from weft.job.v1 import event_pb2
from weft_inference.encoders.embedding import Embedder
from weft_inference.encoders.encoder import TokenisedText, Vector
from weft_inference.encoders.verifier import Verifier
from weft_inference.engines.engine import Finish, Piece
from weft_inference.generation import Admitted, Generations, Step
from weft_inference.requests import MAX_TEXTS, read_comparison, read_generation, read_rerank, read_texts

_REASONS = {"stop": chat_pb2.FINISH_REASON_STOP, "length": chat_pb2.FINISH_REASON_LENGTH}


class InferenceServicer(rpc.InferenceServiceServicer):
    """Translates between the contract and the engine, embedder and verifier."""

    def __init__(self, generations: Generations, embedder: Embedder, verifier: Verifier) -> None:
        self._generations = generations
        self._embedder = embedder
        self._verifier = verifier

    async def Generate(self, request: pb.GenerateRequest, _: object) -> AsyncIterator[pb.GenerateResponse]:
        engine = self._generations.describe()
        generation = read_generation(request, engine)
        async with aclosing(self._generations.run(generation)) as steps:
            async for step in steps:
                yield _to_wire(step, engine.model)

    async def Embed(self, request: pb.EmbedRequest, _: object) -> pb.EmbedResponse:
        embedded = await self._embedder.embed(read_texts(request.texts, "texts", MAX_TEXTS))
        embeddings = [
            _embedding(vector, reading) for vector, reading in zip(embedded.vectors, embedded.readings, strict=True)
        ]
        return pb.EmbedResponse(embeddings=embeddings, embedder=self._embedder.name, tokens=embedded.tokens)

    async def Rerank(self, request: pb.RerankRequest, _: object) -> pb.RerankResponse:
        ranked = await self._embedder.rerank(*read_rerank(request))
        results = [pb.RerankResult(index=one.index, score=one.score) for one in ranked]
        return pb.RerankResponse(results=results, model=self._embedder.reranker)

    async def CompareQuestions(self, request: pb.CompareQuestionsRequest, _: object) -> pb.CompareQuestionsResponse:
        compared = await self._verifier.compare(*read_comparison(request))
        comparisons = [pb.QuestionComparison(confidence=one.confidence, truncated=one.truncated) for one in compared]
        return pb.CompareQuestionsResponse(comparisons=comparisons, verifier=self._verifier.name)

    async def GetEngine(self, _request: pb.GetEngineRequest, _: object) -> pb.GetEngineResponse:
        engine = self._generations.describe()
        admission = self._generations.admission
        return pb.GetEngineResponse(
            engine=engine.engine,
            model=engine.model,
            context_window=engine.context_window,
            slots=admission.slots,
            running=admission.running,
            waiting=admission.waiting,
            queue_limit=admission.queue_limit,
            embedder=self._embedder.name,
            embedding_dimensions=self._embedder.dimensions,
            embedding_max_tokens=self._embedder.max_tokens,
            reranker=self._embedder.reranker,
            finished=self._generations.finished,
            aborted=self._generations.aborted,
            continues_prefix="prefix" in engine.capabilities,
            verifier=self._verifier.name,
        )


def _embedding(vector: Vector, reading: TokenisedText) -> pb.Embedding:
    return pb.Embedding(
        values=vector.tolist(),  # NumPy is slow one number at a time
        truncated=reading.truncated,
        unread_share=reading.unread_share,
        unread=reading.unread,
    )


def _to_wire(step: Step, model: str) -> pb.GenerateResponse:
    match step:
        case Admitted(queued_s):
            return pb.GenerateResponse(admitted=pb.Admitted(model=model, queued_ms=queued_s * 1000))
        case Piece(text, tokens):
            return pb.GenerateResponse(delta=event_pb2.Delta(text=text, token_count=tokens))
        case Finish():
            return pb.GenerateResponse(finished=_finished(step))


def _finished(finish: Finish) -> pb.Finished:
    usage = chat_pb2.Usage(
        prompt_tokens=finish.prompt_tokens,
        completion_tokens=finish.completion_tokens,
        cached_prompt_tokens=finish.cached_prompt_tokens,
    )
    return pb.Finished(finish_reason=_REASONS[finish.reason], usage=usage)
