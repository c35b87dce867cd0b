"""Asks the inference service's verifier whether a stored question asks the same."""

from collections.abc import Sequence

from weft.inference.v1 import inference_pb2, inference_pb2_grpc
from weft_cache.inference.client import InferenceClient


class InferenceVerifier:
    """Compares questions, with one call for all of them."""

    def __init__(self, guard: InferenceClient) -> None:
        self._inference = inference_pb2_grpc.InferenceServiceStub(guard.channel.raw)
        self._guard = guard

    async def compare(self, question: str, others: Sequence[str]) -> list[float] | None:
        """Returns the confidence that each of `others` asks the same, 0 to 1; None if the service does not answer.

        The confidence is 0 if a pair could not be read to its end. Raises the errors of InferenceClient.ask.
        """
        request = inference_pb2.CompareQuestionsRequest(question=question, others=others)
        answer = await self._guard.ask(self._inference.CompareQuestions, request)
        if answer is None:
            return None
        return [0.0 if one.truncated else one.confidence for one in answer.comparisons]
