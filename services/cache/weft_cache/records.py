"""What is looked up, and what may be found."""

from dataclasses import dataclass
from typing import Final

from weft.job.v1 import job_pb2
from weft_cache.policy import Tier
from weft_cache.store.redis_answers import Stored


@dataclass(frozen=True, slots=True)
class Asked:
    """A request, the version of the collection its answer is built on (0 without retrieval), and whose answer it is."""

    tenant: str
    request: job_pb2.GenerationRequest
    collection_version: int
    job_id: str = ""


@dataclass(frozen=True, slots=True)
class Hit:
    """A stored answer that may serve. With `audit` the cache wants to know whether it was right.

    `similarity` is the questions' cosine, `confidence` the verifier's that they ask the same.
    """

    stored: Stored
    tier: Tier
    age_s: float
    similarity: float = 1.0
    confidence: float = 1.0
    served_stale: bool = False
    audit: job_pb2.Audit | None = None


_COMPONENT_BYTES: Final = 4


@dataclass(frozen=True, slots=True)
class Vector:
    """A unit vector: float32 components, little-endian, and the embedder that made it.

    `unread` is what the vector does not tell of its text: where that differs vectors must not be compared.
    `unread_share` is the share of the text's tokens that tell the embedder nothing.
    """

    embedder: str
    components: bytes
    unread: bytes = b""
    unread_share: float = 0.0

    @property
    def dimensions(self) -> int:
        return len(self.components) // _COMPONENT_BYTES
