"""Where an answer belongs, as digests: what two requests must share is `weft_kit.cache_key`."""

from dataclasses import dataclass

from weft.job.v1 import job_pb2
from weft_cache.records import Vector
from weft_kit.cache_key import (
    digest,
    exact_of,
    partition_of,
    question,
)


@dataclass(frozen=True, slots=True)
class Address:
    """Digests, in hexadecimal. Answers can be invalidated by `tenant`, `model` and `collection`."""

    tenant: str
    model: str
    collection: str
    partition: str
    exact: str


def address(tenant: str, request: job_pb2.GenerationRequest, collection_version: int) -> Address:
    """Returns where the answer to this request belongs."""
    partition = partition_of(tenant, request, collection_version)
    return Address(
        tenant=tenant_digest(tenant),
        model=name_digest(request.model),
        collection=name_digest(request.retrieval.collection),
        partition=partition,
        exact=exact_of(partition, request),
    )


def semantic_partition(where: Address, vector: Vector) -> str:
    """Returns the partition as far as vectors may be compared.

    They must be of one embedder, and of texts equal in what it cannot read.
    """
    unread = [vector.unread] if vector.unread else []
    return digest(b"semantic", where.partition.encode(), vector.embedder.encode(), *unread)


def question_text(request: job_pb2.GenerationRequest) -> str:
    """Returns the text that the embedder reads; empty if there is no question, or if it has more than text."""
    asked = question(request)
    if asked is None or any(part.WhichOneof("part") != "text" for part in asked.parts):
        return ""
    return "\n".join(part.text for part in asked.parts).strip()


def tenant_digest(tenant: str) -> str:
    """Returns a tenant's part of every key."""
    return digest(b"tenant", tenant.encode())


def name_digest(name: str) -> str:
    """Returns a model's or a collection's part of a key: any name becomes safe to match by."""
    return digest(b"name", name.encode())[:16]


def label_digest(owner: str, *names: str) -> str:
    """Returns a name among a tenant's, given as its digest: of a tag, of a document, of a question."""
    return f"{owner}:{digest(b'label', *(name.encode() for name in names))[:24]}"


def embedder_digest(embedder: str) -> str:
    """Returns an embedder's part of a field's name."""
    return digest(b"embedder", embedder.encode())[:16]
