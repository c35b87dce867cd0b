"""How large a request may be, by method, and how many bytes of requests a server may hold at once."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from weft.common.v1 import error_pb2
from weft_kit.rpc.channel import MAX_MESSAGE_BYTES
from weft_kit.rpc.errors import Invalid

_KIB: Final = 1024
_MIB: Final = 1024 * _KIB

ORDINARY_BYTES: Final = 256 * _KIB
"""Limit for requests without contents, which only name things."""
OPEN_BYTES: Final = 16 * _KIB
"""Limit for requests that need no key: health checks and reflection."""

# These carry prompts, answers, texts or documents. The services' own limits are lower.
_WITH_CONTENTS: Final = (
    "/weft.cache.v1.CacheService/Lookup",
    "/weft.cache.v1.CacheService/Store",
    "/weft.cache.v1.CacheService/ReportAudit",
    "/weft.gateway.v1.GatewayService/SubmitJob",
    "/weft.gateway.v1.GatewayService/SubmitJobs",
    "/weft.gateway.v1.GatewayService/Generate",
    "/weft.inference.v1.InferenceService/Generate",
    "/weft.inference.v1.InferenceService/Embed",
    "/weft.inference.v1.InferenceService/Rerank",
    "/weft.inference.v1.InferenceService/CompareQuestions",
    "/weft.retrieval.v1.RetrievalService/Ingest",
    "/weft.retrieval.v1.RetrievalService/StageDocuments",
    "/weft.retrieval.v1.RetrievalService/IngestDocuments",
)
LARGEST_BYTES: Final[Mapping[str, int]] = MappingProxyType({
    **dict.fromkeys(_WITH_CONTENTS, MAX_MESSAGE_BYTES),
    "/weft.cache.v1.CacheService/Invalidate": 4 * _MIB,  # a thousand document ids
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class RequestLimits:
    """The limits of one server. `largest_bytes` overrides the usual limit of a method."""

    largest_bytes: Mapping[str, int] = field(default_factory=dict)
    held_bytes: int = 512 * _MIB
    """Bytes of all requests that have arrived and are not answered yet; one tenant may hold half of it."""
    separates_peers: bool = False
    """Whether a connection may hold at most a quarter, and an address half: not for servers behind a proxy, where all
    callers share them."""

    arrives_within_s: float = 20.0
    """How long a request may take to arrive, plus one second for each 256 KiB that its method allows."""

    def of(self, method: str) -> int:
        return self.largest_bytes.get(method) or LARGEST_BYTES.get(method, ORDINARY_BYTES)


def too_large(size_bytes: int, limit_bytes: int) -> Invalid:
    """Returns the refusal of a request of which `size_bytes` have arrived, more than its method allows."""
    return Invalid(
        error_pb2.ERROR_REASON_REQUEST_TOO_LARGE,
        f"the request is larger than the {limit_bytes} bytes that this method takes; send less in a call",
        size_bytes=str(size_bytes),
        limit_bytes=str(limit_bytes),
    )
