"""Where an answer belongs: the walls around it, and the one question inside them.

Two requests share a partition when everything but the question is equal: tenant, model, earlier messages, tools,
answer format, sampling, retrieval and the collection's version. Nothing is ever compared across partitions.
"""

import hashlib
from dataclasses import dataclass
from typing import Final

from weft.common.v1 import chat_pb2
from weft.job.v1 import job_pb2

# What cannot change the answer. A field that the contract gains later stands between answers until it is listed here.
_IRRELEVANT: Final = ("cache", "priority", "timeout", "webhook_url", "labels", "routing")
_DEFAULT_CHUNKS: Final = 4
_DIGEST_BYTES: Final = 20


@dataclass(frozen=True, slots=True)
class Address:
    """Digests, in hexadecimal. By `tenant`, `model` and `collection` answers can be forgotten."""

    tenant: str
    model: str
    collection: str
    partition: str
    exact: str


def address(tenant: str, request: job_pb2.GenerationRequest, collection_version: int) -> Address:
    """Where the answer to this request belongs."""
    walls = _walls(request).SerializeToString(deterministic=True)
    partition = _digest(b"partition", tenant.encode(), walls, str(collection_version).encode())
    asked = question(request)
    message = asked.SerializeToString(deterministic=True) if asked else b""
    return Address(
        tenant=tenant_digest(tenant),
        model=name_digest(request.model),
        collection=name_digest(request.retrieval.collection),
        partition=partition,
        exact=_digest(b"exact", partition.encode(), message),
    )


def semantic_partition(where: Address, embedder: str) -> str:
    """The partition as one embedder sees it: vectors of different embedders must not be compared."""
    return _digest(b"semantic", where.partition.encode(), embedder.encode())


def question(request: job_pb2.GenerationRequest) -> chat_pb2.Message | None:
    """The last message when a user sent it. A conversation that ends otherwise has no question of its own."""
    last = request.messages[-1] if request.messages else None
    return last if last is not None and last.role == chat_pb2.ROLE_USER else None


def question_text(request: job_pb2.GenerationRequest) -> str:
    """What the embedder reads. Empty when there is no question, or when it is more than text."""
    asked = question(request)
    if asked is None or any(part.WhichOneof("part") != "text" for part in asked.parts):
        return ""
    return "\n".join(part.text for part in asked.parts).strip()


def tenant_digest(tenant: str) -> str:
    """A tenant's part of every key."""
    return _digest(b"tenant", tenant.encode())


def name_digest(name: str) -> str:
    """A model's or a collection's part of a key: any name becomes safe to match by."""
    return _digest(b"name", name.encode())[:16]


def embedder_digest(embedder: str) -> str:
    """An embedder's part of a field's name."""
    return _digest(b"embedder", embedder.encode())[:16]


def _walls(request: job_pb2.GenerationRequest) -> job_pb2.GenerationRequest:
    """The request without its question and without what cannot matter, spelt in one way."""
    walls = job_pb2.GenerationRequest()
    walls.CopyFrom(request)
    for field in _IRRELEVANT:
        walls.ClearField(field)
    if question(request) is not None:
        del walls.messages[-1]
    walls.tool_choice = _resolved(request)
    if walls.response_format.WhichOneof("format") is None:
        walls.ClearField("response_format")
    _spell_sampling(walls)
    _spell_retrieval(walls)
    return walls


def _resolved(request: job_pb2.GenerationRequest) -> chat_pb2.ToolChoice.ValueType:
    if not request.tools:
        return chat_pb2.TOOL_CHOICE_NONE
    return request.tool_choice or chat_pb2.TOOL_CHOICE_AUTO


def _spell_sampling(walls: job_pb2.GenerationRequest) -> None:
    stops = sorted(set(walls.sampling.stop))
    walls.sampling.ClearField("stop")
    walls.sampling.stop.extend(stops)
    for field, value in walls.sampling.ListFields():
        if field.name != "stop":
            setattr(walls.sampling, field.name, value + 0)  # minus zero asks for what zero asks for
    if not walls.sampling.ListFields():
        walls.ClearField("sampling")


def _spell_retrieval(walls: job_pb2.GenerationRequest) -> None:
    if not walls.HasField("retrieval"):
        return
    if not walls.retrieval.HasField("top_k"):
        walls.retrieval.top_k = _DEFAULT_CHUNKS
    if walls.retrieval.filter.WhichOneof("node") is None:
        walls.retrieval.ClearField("filter")


def _digest(*parts: bytes) -> str:
    """Each part with its length before it, so that no two lists of parts look alike."""
    hashed = hashlib.blake2b(digest_size=_DIGEST_BYTES, person=b"weft.cache.v1")
    for part in parts:
        hashed.update(len(part).to_bytes(8, "big"))
        hashed.update(part)
    return hashed.hexdigest()
