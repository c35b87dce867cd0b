"""What the cache stores, looks up and finds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from weft.common.v1 import budget_pb2
from weft.job.v1 import job_pb2
from weft_cache.policy import Tier

_COMPONENT_BYTES: Final = 4


@dataclass(frozen=True, slots=True)
class Vector:
    """A unit vector: float32 components, little-endian, and the embedder that made it.

    `unread` identifies the parts of the text that the embedder cannot read: vectors whose `unread` differs must not be
    compared. `unread_share` is the share of the text's tokens that tell the embedder nothing.
    """

    embedder: str
    components: bytes
    unread: bytes = b""
    unread_share: float = 0.0

    @property
    def dimensions(self) -> int:
        return len(self.components) // _COMPONENT_BYTES


@dataclass(frozen=True, slots=True)
class Stored:
    """An answer as it was stored. `stored_at` is in Unix seconds; `cost` is what generating it cost, if known."""

    answer: job_pb2.Answer
    stored_at: float
    cost: budget_pb2.Cost = field(default_factory=budget_pb2.Cost)
    collection_version: int = 0


@dataclass(frozen=True, slots=True)
class Filing:
    """What is stored along with an answer: its question, and the names by which it can be invalidated.

    `lasting` is its exact digest without the collection's version; empty without retrieval. `job_id` is the job that
    generated it; empty if that is not known.
    """

    question: str = ""
    tags: Sequence[str] = ()
    lasting: str = ""
    job_id: str = ""


@dataclass(frozen=True, slots=True)
class InvalidationNames:
    """Which answers to invalidate; an empty field does not narrow the selection."""

    model: str = ""
    collection: str = ""
    tag: str = ""
    document_ids: Sequence[str] = ()
    job_id: str = ""


@dataclass(frozen=True, slots=True)
class Lookup:
    """A request, the version of the collection that its answer is based on (0 without retrieval), and its tenant."""

    tenant: str
    request: job_pb2.GenerationRequest
    collection_version: int
    job_id: str = ""


@dataclass(frozen=True, slots=True)
class Hit:
    """A stored answer that may be served; if `audit` is set, the cache wants to know whether it was right.

    `similarity` is the questions' cosine, `confidence` the verifier's confidence that they ask the same.
    """

    stored: Stored
    tier: Tier
    age_s: float
    similarity: float = 1.0
    confidence: float = 1.0
    served_stale: bool = False
    audit: job_pb2.Audit | None = None


@dataclass(frozen=True, slots=True)
class LookupCounts:
    """Counts of lookups by outcome."""

    exact_hits: int = 0
    semantic_hits: int = 0
    misses: int = 0
    tokens_saved: int = 0
    micros_saved: Mapping[str, int] = field(default_factory=dict)
    """Millionths of a currency unit, by currency."""


@dataclass(frozen=True, slots=True)
class TenantUsage:
    """The size of a tenant's stored answers."""

    entries: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Audited:
    """The number of audits, and of those that found a wrong hit."""

    audits: int = 0
    wrong: int = 0


@dataclass(frozen=True, slots=True)
class Candidate:
    """A stored answer near the question: its question, their similarity, and when it was stored, in Unix seconds.

    `told` is equal for equal answers.
    """

    key: str
    question: str
    similarity: float
    stored_at: float
    told: str
