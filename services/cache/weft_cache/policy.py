"""When the cache may read and write, what it may store, and for how long."""

import math
from dataclasses import dataclass
from enum import Enum

from weft.common.v1 import chat_pb2
from weft.job.v1 import job_pb2
from weft_kit.cache_key import cache_mode
from weft_kit.rpc.time import seconds_of


class Tier(Enum):
    """Which answers may be served."""

    EXACT = "exact"
    SEMANTIC = "semantic"


@dataclass(frozen=True, slots=True)
class LookupTerms:
    """The conditions under which a stored answer may be served: the tier, the maximum age, the minimum similarity."""

    tier: Tier
    max_age_s: float
    min_similarity: float


def terms(request: job_pb2.GenerationRequest, collection_version: int, floor: float) -> LookupTerms | None:
    """Returns what the request allows, or None if the cache must neither answer nor store it.

    A caller may ask for more similarity than `floor`, never for less.
    """
    tier = _TIERS.get(cache_mode(request))
    # Without the version an answer from before the last ingest could not be told from a current one.
    if tier is None or (request.HasField("retrieval") and not collection_version):
        return None
    policy = request.cache
    max_age_s = seconds_of(policy.max_age) if policy.HasField("max_age") else math.inf
    min_similarity = max(floor, policy.min_similarity) if policy.HasField("min_similarity") else floor
    return LookupTerms(tier, max_age_s, min_similarity)


_TIERS = {job_pb2.CACHE_MODE_EXACT: Tier.EXACT, job_pb2.CACHE_MODE_SEMANTIC: Tier.SEMANTIC}


def storable(answer: job_pb2.Answer) -> bool:
    """Returns whether this is a complete answer in words. One that was cut off or withheld, or that calls tools, would
    mislead the next reader.
    """
    finished = answer.finish_reason == chat_pb2.FINISH_REASON_STOP
    return finished and bool(answer.text.strip()) and not answer.tool_calls


def life_s(time_to_live_s: float, jitter: float, drawn: float) -> float:
    """Returns how long to keep an answer, shortened by up to `jitter`, so that answers stored together do not expire
    together.

    `drawn` is a random number in [0, 1).
    """
    return time_to_live_s * (1 - jitter * drawn)
