"""Vectors from the inference service."""

import hashlib
from array import array
from collections import OrderedDict
from typing import Final

from weft.inference.v1 import inference_pb2, inference_pb2_grpc
from weft_cache.inference_guard import InferenceGuard
from weft_cache.vector import Vector
from weft_kit.channel import Channel

_LONGEST_CHARACTERS: Final = 16_384
"""No embedder reads a longer text whole, so that it need not be sent."""


class InferenceEmbedder:
    """Embeds questions; remembers the latest, because a question that missed is soon stored with its answer."""

    def __init__(self, channel: Channel, limit_s: float, rest_s: float, remembered: int) -> None:
        self._inference = inference_pb2_grpc.InferenceServiceStub(channel.raw)
        self._guard = InferenceGuard(channel, limit_s, rest_s)
        self._remembered = remembered
        self._latest: OrderedDict[tuple[str, bytes], Vector] = OrderedDict()

    async def embed(self, tenant: str, text: str) -> Vector | None:
        """The text's vector, or None: there is no text, it is longer than the embedder reads, or nobody embeds it now.

        What is remembered is remembered for a tenant: how fast a vector comes must not tell what others ask.
        """
        if not text or len(text) > _LONGEST_CHARACTERS:
            return None
        name = tenant, hashlib.blake2b(text.encode(), digest_size=20).digest()
        remembered = self._latest.get(name)
        if remembered is not None:
            self._latest.move_to_end(name)
            return remembered
        vector = await self._ask(text)
        if vector is not None:
            self._latest[name] = vector
            if len(self._latest) > self._remembered:
                self._latest.popitem(last=False)
        return vector

    async def _ask(self, text: str) -> Vector | None:
        answer = await self._guard.ask(self._inference.Embed, inference_pb2.EmbedRequest(texts=[text]))
        if answer is None:
            return None
        embedding = answer.embeddings[0]
        # Two long texts that differ behind what the embedder reads would be the same vector.
        if embedding.truncated:
            return None
        components = array("f", embedding.values[:]).tobytes()
        return Vector(answer.embedder, components, embedding.unread, embedding.unread_share)
