"""Where an answer is stored, as digests; `weft_kit.cache_key` decides what two requests must have in common."""

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
    """Returns where the answer to this request is stored."""
    partition = partition_of(tenant, request, collection_version)
    return Address(
        tenant=tenant_digest(tenant),
        model=name_digest(request.model),
        collection=name_digest(request.retrieval.collection),
        partition=partition,
        exact=exact_of(partition, request),
    )


def semantic_partition(where: Address, vector: Vector) -> str:
    """Returns the part of the partition in which vectors may be compared.

    They must be from the same embedder, and from texts that are equal in what it cannot read.
    """
    unread = [vector.unread] if vector.unread else []
    return digest(b"semantic", where.partition.encode(), vector.embedder.encode(), *unread)


def question_text(request: job_pb2.GenerationRequest) -> str:
    """Returns the text that the embedder reads; empty if there is no question, or if it is not text alone."""
    asked = question(request)
    if asked is None or any(part.WhichOneof("part") != "text" for part in asked.parts):
        return ""
    return "\n".join(part.text for part in asked.parts).strip()


def tenant_digest(tenant: str) -> str:
    """Returns a tenant's part of every key."""
    return digest(b"tenant", tenant.encode())


def name_digest(name: str) -> str:
    """Returns a model's or a collection's part of a key; as a digest, any name is safe in it."""
    return digest(b"name", name.encode())[:16]


def label_digest(owner: str, *names: str) -> str:
    """Returns the key of a tenant's tag, document or job: the tenant's digest (`owner`), then the name's."""
    return f"{owner}:{digest(b'label', *(name.encode() for name in names))[:24]}"


def embedder_digest(embedder: str) -> str:
    """Returns an embedder's part of a field's name."""
    return digest(b"embedder", embedder.encode())[:16]
