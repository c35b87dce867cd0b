"""Which cache tiers may serve a request: the one reading of `CacheMode`, for whoever asks, stores or answers."""

from weft.job.v1 import job_pb2


def cacheable(request: job_pb2.GenerationRequest) -> bool:
    """Says whether a stored answer may serve the request, and its answer another, in any tier."""
    return cache_mode(request) != job_pb2.CACHE_MODE_OFF


def cache_mode(request: job_pb2.GenerationRequest) -> job_pb2.CacheMode.ValueType:
    """Returns OFF, EXACT or SEMANTIC. Not given (or unknown) means SEMANTIC for greedy requests without tools."""
    mode = request.cache.mode
    if mode in {job_pb2.CACHE_MODE_OFF, job_pb2.CACHE_MODE_EXACT, job_pb2.CACHE_MODE_SEMANTIC}:
        return mode
    greedy = request.sampling.HasField("temperature") and request.sampling.temperature == 0
    return job_pb2.CACHE_MODE_SEMANTIC if greedy and not request.tools else job_pb2.CACHE_MODE_OFF
