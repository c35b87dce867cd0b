"""Which cache tiers may serve a request: the one reading of `CacheMode`, for whoever asks, stores or answers."""

from typing import Final, Literal

from weft.job.v1 import job_pb2

CacheSetting = Literal["off", "exact", "semantic"]
"""What a model alias of the catalog says of the cache."""

MODES: Final[dict[CacheSetting, job_pb2.CacheMode.ValueType]] = {
    "off": job_pb2.CACHE_MODE_OFF,
    "exact": job_pb2.CACHE_MODE_EXACT,
    "semantic": job_pb2.CACHE_MODE_SEMANTIC,
}


def cacheable(request: job_pb2.GenerationRequest, setting: CacheSetting = "exact") -> bool:
    """Says whether a stored answer may serve the request, and its answer another, in any tier."""
    return cache_mode(request, setting) != job_pb2.CACHE_MODE_OFF


def cache_mode(request: job_pb2.GenerationRequest, setting: CacheSetting = "exact") -> job_pb2.CacheMode.ValueType:
    """Returns OFF, EXACT or SEMANTIC, under what the alias says that the request names.

    An alias that is off stays off: whether answers are kept is for the operator to say, who answers for the store. How
    alike a question must be is for the caller, so otherwise the request's own mode wins. Where it gives none, or an
    unknown one, it is the alias's for greedy requests without tools, and OFF for others.
    """
    if setting == "off":
        return job_pb2.CACHE_MODE_OFF
    if request.cache.mode in MODES.values():
        return request.cache.mode
    greedy = request.sampling.HasField("temperature") and request.sampling.temperature == 0
    return MODES[setting] if greedy and not request.tools else job_pb2.CACHE_MODE_OFF
