"""Vectors from the inference service."""

import hashlib
from array import array
from collections import OrderedDict
from functools import partial
from typing import Final, TypeAlias

from weft.inference.v1 import inference_pb2, inference_pb2_grpc
from weft_cache.inference.client import InferenceClient
from weft_cache.records import Vector
from weft_cache.single_flight import SingleFlight

_LONGEST_CHARACTERS: Final = 16_384
"""No embedder reads a longer text to its end, so it need not be sent."""

_Name: TypeAlias = tuple[str, bytes]


class InferenceEmbedder:
    """Embeds questions and remembers the latest: a question that missed is soon stored with its answer."""

    def __init__(self, guard: InferenceClient, remembered: int) -> None:
        self._inference = inference_pb2_grpc.InferenceServiceStub(guard.channel.raw)
        self._guard = guard
        self._most_remembered = remembered
        self._latest: OrderedDict[_Name, Vector] = OrderedDict()
        self._flights: SingleFlight[_Name, Vector | None] = SingleFlight()

    def remembered(self, tenant: str, text: str) -> Vector | None:
        """Returns the text's vector if the tenant requested it recently."""
        name = _name(tenant, text)
        vector = self._latest.get(name)
        if vector is not None:
            self._latest.move_to_end(name)
        return vector

    def forget(self, tenant: str, text: str) -> None:
        """Removes the text's vector from memory."""
        self._latest.pop(_name(tenant, text), None)

    async def embed(self, tenant: str, text: str) -> Vector | None:
        """Returns the text's vector; None for no text, for more than the embedder reads, or if the service does not
        answer.

        Memory and shared calls are separate for each tenant: the time that a vector takes must not reveal what others
        ask. Raises the errors of InferenceClient.ask.
        """
        if not text or len(text) > _LONGEST_CHARACTERS:
            return None
        remembered = self.remembered(tenant, text)
        if remembered is not None:
            return remembered
        name = _name(tenant, text)
        vector = await self._flights.share(name, partial(self._ask, text))
        if vector is not None:
            self._latest[name] = vector
            if len(self._latest) > self._most_remembered:
                self._latest.popitem(last=False)
        return vector

    async def _ask(self, text: str) -> Vector | None:
        answer = await self._guard.ask(self._inference.Embed, inference_pb2.EmbedRequest(texts=[text]))
        if answer is None:
            return None
        embedding = answer.embeddings[0]
        # Two long texts that differ only beyond what the embedder reads would have the same vector.
        if embedding.truncated:
            return None
        components = array("f", embedding.values[:]).tobytes()
        return Vector(answer.embedder, components, embedding.unread, embedding.unread_share)


def _name(tenant: str, text: str) -> _Name:
    return tenant, hashlib.blake2b(text.encode(), digest_size=20).digest()
