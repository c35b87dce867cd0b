"""Which requests share a call, and which part of it a job's readers lack: pure rules."""

from collections.abc import Iterable

from weft.common.v1 import error_pb2
from weft.job.v1 import event_pb2, job_pb2
from weft_kit.cache_key import CacheSetting, cacheable, digest, exact_of, partition_of
from weft_router.routing import retry_policy
from weft_router.routing.retry_policy import RetryLimits


def may_join(request: job_pb2.GenerationRequest, setting: CacheSetting = "exact") -> bool:
    """Returns whether an equal answer may serve: the cache is allowed, and `max_age` is not 0.

    `setting` is what the alias says of the cache.
    """
    wants_its_own = request.cache.HasField("max_age") and request.cache.max_age.ToNanoseconds() <= 0
    return cacheable(request, setting) and not wants_its_own


def flight_of(tenant: str, request: job_pb2.GenerationRequest, collection_version: int) -> str:
    """Returns a digest of what identical requests have in common: the wanted answer, and how to get it.

    Routing and retries cannot change an answer, but they set timeouts and whether drafts are shown.
    """
    exact = exact_of(partition_of(tenant, request, collection_version), request)
    way = (part.SerializeToString(deterministic=True) for part in (request.routing, request.retry_policy))
    return digest(b"flight", exact.encode(), *way)


def is_shared(error: job_pb2.JobError, attempts: Iterable[job_pb2.Attempt], limits: RetryLimits) -> bool:
    """Returns whether a listener fails with the call, rather than making its own.

    It does if its own call would fail the same way, and once as many attempts have failed while it listened as it may
    have. An exhausted budget may belong to another job's key.
    """
    hopeless = not error.retryable and error.reason != error_pb2.ERROR_REASON_QUOTA_EXCEEDED
    return hopeless or retry_policy.counted(attempts, limits) >= limits.max_attempts


def unheard(known: str, said: event_pb2.Delta) -> event_pb2.Delta | None:
    """Returns what readers who have the text `known` lack of the answer so far; None if their text differs."""
    is_text = not said.reasoning and not said.tool_calls
    if not is_text or not (said.text.startswith(known) or known.startswith(said.text)):
        return None
    rest = said.text[len(known) :]
    return event_pb2.Delta(text=rest, token_count=round(said.token_count * len(rest) / max(1, len(said.text))))


def unbooked(attempt: job_pb2.Attempt) -> job_pb2.Attempt:
    """Returns an attempt as it is recorded for a job that only listened to it."""
    heard = job_pb2.Attempt()
    heard.CopyFrom(attempt)
    heard.ClearField("usage")
    heard.ClearField("cost")
    return heard
