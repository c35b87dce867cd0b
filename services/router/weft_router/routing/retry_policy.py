"""Whether to retry, how long to wait before, and what to report when no attempt is left: pure rules."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from weft.common.v1 import error_pb2
from weft.job.v1 import job_pb2
from weft_kit.rpc.time import seconds_of
from weft_kit.shortening import shortened
from weft_router.job.transcript import AnswerSoFar
from weft_router.providers.provider import ProviderError, Remedy
from weft_router.routing.selection import RouteCandidate

_MOST_DOUBLINGS = 30
_MOST_LISTED = 16
_LISTED_CHARACTERS = 800

_PROVIDERS_FAULT = frozenset(
    {
        error_pb2.ERROR_REASON_PROVIDER_UNREACHABLE,
        error_pb2.ERROR_REASON_PROVIDER_ERROR,
        error_pb2.ERROR_REASON_PROVIDER_REJECTED,
        error_pb2.ERROR_REASON_PROVIDER_OVERLOADED,
        error_pb2.ERROR_REASON_PROVIDER_TIMEOUT,
        error_pb2.ERROR_REASON_PROVIDER_STREAM_BROKEN,
        error_pb2.ERROR_REASON_ANSWER_INVALID,
        error_pb2.ERROR_REASON_UNSUPPORTED,
    }
)


_TURNED_AWAY = frozenset({error_pb2.ERROR_REASON_PROVIDER_UNREACHABLE, error_pb2.ERROR_REASON_PROVIDER_OVERLOADED})
"""Failures of calls that their provider did not accept."""

_REFUSALS = frozenset(
    {
        error_pb2.ERROR_REASON_PROVIDER_ERROR,
        error_pb2.ERROR_REASON_PROVIDER_REJECTED,
        error_pb2.ERROR_REASON_PROVIDER_OVERLOADED,
        error_pb2.ERROR_REASON_UNSUPPORTED,
    }
)
_COST_NOTHING = frozenset({error_pb2.ERROR_REASON_PROVIDER_REJECTED, error_pb2.ERROR_REASON_UNSUPPORTED})
"""Refusals of the request itself: the provider did no work, and is not tried again with it."""

_MOST_UNEXPLAINED = 2

_LOST = error_pb2.ERROR_REASON_DEPENDENCY_DOWN
_NOBODYS_FAULT = (_LOST, error_pb2.ERROR_REASON_DRAINING)


@dataclass(frozen=True, slots=True)
class RetryLimits:
    """How often a job is tried, over all its workers, and the shortest and longest wait between attempts, in seconds.

    `first_wait_s` is the longest wait before the second attempt. With `waits` a job waits for providers that are down,
    and attempts that met an outage do not count.
    """

    max_attempts: int = 5
    max_lost_attempts: int = 10
    first_wait_s: float = 0.5
    longest_wait_s: float = 10.0
    waits: bool = True

    def of(self, request: job_pb2.GenerationRequest) -> "RetryLimits":
        """Returns the limits for a request: its own policy, within these."""
        if not request.HasField("retry_policy"):
            return self
        asked = request.retry_policy
        attempts = asked.max_attempts if asked.HasField("max_attempts") else self.max_attempts
        longest_s = seconds_of(asked.max_backoff) if asked.HasField("max_backoff") else self.longest_wait_s
        return replace(
            self,
            max_attempts=min(attempts, self.max_attempts),
            longest_wait_s=min(longest_s, self.longest_wait_s),
            waits=asked.on_outage != job_pb2.ON_OUTAGE_FAIL,
        )

    def after(self, unexplained: int) -> "RetryLimits":
        """Returns the limits after refusals that may be the request's own fault: it then waits for no outage."""
        return replace(self, waits=False) if unexplained else self


def provider_failures(attempts: Iterable[job_pb2.Attempt]) -> Counter[str]:
    """Counts a job's failures by provider; attempts lost with their worker do not count."""
    return Counter(attempt.provider for attempt in attempts if attempt.error.reason in _PROVIDERS_FAULT)


def refusing_routes(attempts: Iterable[job_pb2.Attempt]) -> set[tuple[str, str]]:
    """Returns the provider and the model of each route that would refuse a job again."""
    return {(one.provider, one.provider_model) for one in attempts if _refused(one)}


def may_try_again(error: ProviderError, candidates: Iterable[RouteCandidate], unexplained: int = 0) -> bool:
    """Returns whether another attempt may help; tokens that readers have seen are continued, or withdrawn.

    A request that two routes refused for an unknown reason is not sent to further ones.
    """
    match error.remedy:
        case Remedy.NOTHING:
            return False
        case Remedy.NEXT_ROUTE:
            return unexplained < _MOST_UNEXPLAINED and any(not candidate.refused for candidate in candidates)
        case Remedy.ANOTHER_PROVIDER:
            return any(not candidate.failures for candidate in candidates)
        case Remedy.ANOTHER_ROUTE:
            return any(not candidate.refused for candidate in candidates)
        case Remedy.ANOTHER_TRY | Remedy.ANOTHER_REPLICA:
            return True


def can_continue(request: job_pb2.GenerationRequest, said: AnswerSoFar, max_tokens: int) -> bool:
    """Returns whether a new attempt may continue the text so far: plain text with room left. Structured output starts
    over.
    """
    plain = not request.tools and request.response_format.WhichOneof("format") is None
    return plain and not said.tool_calls and said.token_count < max_tokens


def failures(attempts: Iterable[job_pb2.Attempt]) -> list[job_pb2.Attempt]:
    """Returns the attempts that failed; not those lost with their worker, or abandoned when it shut down."""
    return [one for one in attempts if one.HasField("error") and one.error.reason not in _NOBODYS_FAULT]


def counted(attempts: Iterable[job_pb2.Attempt], limits: RetryLimits) -> int:
    """Counts the attempts that a job has used of those allowed.

    If it waits for providers that are down, a failure counts only if its provider had accepted the call and was
    healthy.
    """
    failed = failures(attempts)
    if not limits.waits:
        return len(failed)
    return sum(one.error.reason not in _TURNED_AWAY and not one.provider_out for one in failed)


def adds_load(attempts: Iterable[job_pb2.Attempt]) -> bool:
    """Returns whether one more attempt adds to the providers' normal load, as a retry does.

    An attempt after an outage does not, because all calls were held back; nor does one that replaces a lost attempt,
    nor one after a refusal that cost its provider nothing.
    """
    return any(not one.provider_out and one.error.reason not in _COST_NOTHING for one in failures(attempts))


def given_up(attempts: Sequence[job_pb2.Attempt], limits: RetryLimits) -> job_pb2.JobError | None:
    """Returns why a job may not be tried any more; None while it may."""
    if counted(attempts, limits) >= limits.max_attempts:
        return exhausted(attempts)
    lost = sum(one.error.reason == _LOST for one in attempts)
    if lost < limits.max_lost_attempts:
        return None
    why = exhausted(attempts)
    why.message = f"{lost} attempts were lost with their workers, which this job may be killing; see the routers' logs"
    return why


def backoff_s(failures: int, limits: RetryLimits, left_s: float, share: float) -> float:
    """Returns the wait after so many failures, in seconds: full jitter, a random `share` (0-1) of an upper limit.

    The upper limit doubles with each failure. It never exceeds the job's remaining life, so that the job has a chance
    to be tried once more. (Marc Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.)
    """
    doubled = limits.first_wait_s * 2.0 ** min(failures - 1, _MOST_DOUBLINGS)
    return share * max(0.0, min(doubled, limits.longest_wait_s, left_s))


def wait_before_retry(
    error: ProviderError, candidates: Iterable[RouteCandidate], backoff: float, longest_s: float, left_s: float
) -> float | None:
    """Returns the seconds to wait before the next attempt; None if the job would expire first.

    There is no wait if another provider can be called. A provider's requested wait is honoured up to `longest_s`, with
    the backoff on top, so that refused calls do not all come back at once.
    """
    is_elsewhere = error.remedy in (Remedy.ANOTHER_ROUTE, Remedy.NEXT_ROUTE)
    if is_elsewhere or any(candidate.allowed and not candidate.failures for candidate in candidates):
        return 0.0
    if error.retry_after_s is None or error.remedy is Remedy.ANOTHER_REPLICA:
        return backoff
    if error.retry_after_s > left_s:
        return None
    return min(error.retry_after_s + backoff, longest_s, left_s)


def verdict(
    error: ProviderError, attempts: Sequence[job_pb2.Attempt], limits: RetryLimits, left_s: float
) -> job_pb2.JobError:
    """Returns why a job failed whose last attempt ended with `error`."""
    if not error.remedy.may_pass:
        return _refused_by_all(error, attempts)
    if error.reason == error_pb2.ERROR_REASON_ANSWER_INVALID:
        return error.to_wire()  # where the document is at fault says more than how often it was
    if counted(attempts, limits) >= limits.max_attempts or error.retry_after_s is None:
        return exhausted(attempts)
    why = error.to_wire()
    why.message += (
        f"; it wants to be left alone for {error.retry_after_s:.1f} s, and the job has {left_s:.1f} s to live:"
        " submit it again later, or with a longer timeout"
    )
    return why


def exhausted(attempts: Sequence[job_pb2.Attempt]) -> job_pb2.JobError:
    """Lists why each attempt failed; of many, only the latest."""
    listed = _listed(attempts) or "none began"
    message = f"every attempt allowed was used ({listed}); see the last one, then submit again"
    reason = error_pb2.ERROR_REASON_ATTEMPTS_EXHAUSTED
    return job_pb2.JobError(reason=reason, message=message, retryable=True)


def outage_verdict(error: ProviderError, attempts: Iterable[job_pb2.Attempt]) -> job_pb2.JobError:
    """Returns why a job failed for which only providers that are down are left."""
    why = error.to_wire()
    if refused := [one for one in attempts if _refused(one)]:
        why.message += f"; refused before: {_listed(refused)}"
    return why


def _refused_by_all(error: ProviderError, attempts: Sequence[job_pb2.Attempt]) -> job_pb2.JobError:
    """Returns the failure itself, with what was said before it where others had been asked."""
    why, failed = error.to_wire(), failures(attempts)
    if error.remedy is not Remedy.NOTHING and len(failed) > 1:
        why.message = f"no route took it: {_listed(failed)}"
    return why


def _listed(attempts: Sequence[job_pb2.Attempt]) -> str:
    """Lists attempts by provider and reason; of refusals also the words, which say what to change."""
    shown = attempts[-_MOST_LISTED:]
    most = _LISTED_CHARACTERS // max(1, sum(map(_refused, shown)))
    return "; ".join(
        f"{one.number} {one.provider} {_reason_name(one)}"
        + (f": {shortened(one.error.message, most)}" if _refused(one) and one.error.message else "")
        for one in shown
    )


def _refused(attempt: job_pb2.Attempt) -> bool:
    return attempt.error.reason in _REFUSALS and not attempt.error.retryable


def _reason_name(attempt: job_pb2.Attempt) -> str:
    return error_pb2.ErrorReason.Name(attempt.error.reason).removeprefix("ERROR_REASON_")
