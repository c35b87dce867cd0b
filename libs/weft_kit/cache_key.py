"""Tells whether two requests want the same answer: by the partition of a question, and the question inside it.

Two requests share a partition when everything but the question is equal: tenant, model, earlier messages, tools,
answer format, sampling, retrieval and the collection's version. Answers are never shared across partitions.
"""

import hashlib
from typing import Final, Literal

from weft.common.v1 import chat_pb2
from weft.job.v1 import job_pb2

CacheSetting = Literal["off", "exact", "semantic"]
"""The cache setting of a model alias in the catalog."""

MODES: Final[dict[CacheSetting, job_pb2.CacheMode.ValueType]] = {
    "off": job_pb2.CACHE_MODE_OFF,
    "exact": job_pb2.CACHE_MODE_EXACT,
    "semantic": job_pb2.CACHE_MODE_SEMANTIC,
}


def cacheable(request: job_pb2.GenerationRequest, setting: CacheSetting = "exact") -> bool:
    """Returns whether the request may be served a stored answer, and its own answer may be stored, in any tier."""
    return cache_mode(request, setting) != job_pb2.CACHE_MODE_OFF


def cache_mode(request: job_pb2.GenerationRequest, setting: CacheSetting = "exact") -> job_pb2.CacheMode.ValueType:
    """Returns OFF, EXACT or SEMANTIC, from the alias's setting and the request's mode.

    An alias that is off stays off: whether answers are stored is for the operator to decide. How alike questions must
    be is for the caller to decide, so otherwise the request's own mode wins. If it has none, or an unknown one, the
    alias's mode applies to greedy requests without tools, and OFF to all others.
    """
    if setting == "off":
        return job_pb2.CACHE_MODE_OFF
    if request.cache.mode in MODES.values():
        return request.cache.mode
    greedy = request.sampling.HasField("temperature") and request.sampling.temperature == 0
    return MODES[setting] if greedy and not request.tools else job_pb2.CACHE_MODE_OFF


# Fields that cannot change the answer. A new field of the contract keeps answers apart until it is listed here.
_IRRELEVANT: Final = ("cache", "priority", "timeout", "webhook_url", "labels", "routing", "retry_policy")
_DEFAULT_CHUNKS: Final = 4
_DIGEST_BYTES: Final = 20


def partition_of(tenant: str, request: job_pb2.GenerationRequest, collection_version: int) -> str:
    """Returns a digest of everything but the question, in hexadecimal."""
    walls = _walls(request)
    # So that answers stored before formats were checked are not served.
    checked = [b"form checked"] if walls.HasField("response_format") else []
    spelt = walls.SerializeToString(deterministic=True)
    return digest(b"partition", tenant.encode(), spelt, str(collection_version).encode(), *checked)


def exact_of(partition: str, request: job_pb2.GenerationRequest) -> str:
    """Returns a digest of the question inside its partition: requests that share it want the same answer."""
    asked = question(request)
    message = asked.SerializeToString(deterministic=True) if asked else b""
    return digest(b"exact", partition.encode(), message)


def question(request: job_pb2.GenerationRequest) -> chat_pb2.Message | None:
    """Returns the last message if it is a user's; None for a conversation that ends otherwise: it has no question."""
    last = request.messages[-1] if request.messages else None
    return last if last is not None and last.role == chat_pb2.ROLE_USER else None


def digest(*parts: bytes) -> str:
    """Returns a digest, in hexadecimal, of the parts, each after its length, so that no two lists look alike."""
    hashed = hashlib.blake2b(digest_size=_DIGEST_BYTES, person=b"weft.cache.v1")
    for part in parts:
        hashed.update(len(part).to_bytes(8, "big"))
        hashed.update(part)
    return hashed.hexdigest()


def _walls(request: job_pb2.GenerationRequest) -> job_pb2.GenerationRequest:
    """Returns the request without its question and without irrelevant fields, in canonical form."""
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
            setattr(walls.sampling, field.name, value + 0)  # minus zero means the same as zero
    if not walls.sampling.ListFields():
        walls.ClearField("sampling")


def _spell_retrieval(walls: job_pb2.GenerationRequest) -> None:
    if not walls.HasField("retrieval"):
        return
    if not walls.retrieval.HasField("top_k"):
        walls.retrieval.top_k = _DEFAULT_CHUNKS
    if walls.retrieval.filter.WhichOneof("node") is None:
        walls.retrieval.ClearField("filter")
