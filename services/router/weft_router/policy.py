"""Which provider to ask, whether to ask again, and what to say when none is left: rules, and nothing else."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from weft.common.v1 import error_pb2
from weft.job.v1 import job_pb2
from weft_kit.catalog import Route
from weft_router.providers.port import ProviderError, Remedy
from weft_router.transcript import Transcript

Selection = Literal["priority", "fastest"]

_PROVIDERS_FAULT = frozenset(
    {
        error_pb2.ERROR_REASON_PROVIDER_UNREACHABLE,
        error_pb2.ERROR_REASON_PROVIDER_ERROR,
        error_pb2.ERROR_REASON_PROVIDER_REJECTED,
        error_pb2.ERROR_REASON_PROVIDER_OVERLOADED,
        error_pb2.ERROR_REASON_PROVIDER_TIMEOUT,
        error_pb2.ERROR_REASON_PROVIDER_STREAM_BROKEN,
    }
)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A route with what is known about its provider now. Candidates come in order of preference."""

    route: Route
    allowed: bool
    """Whether the provider's breaker lets a call pass."""
    failures: int
    """How often the provider failed this very job."""
    expected_first_token_s: float
    """Recent mean, times the calls it would share the provider with; 0 when it was never asked."""


@dataclass(frozen=True, slots=True)
class Choice:
    """The route to ask, and why, for the record."""

    route: Route
    because: str


def provider_failures(attempts: Iterable[job_pb2.Attempt]) -> Counter[str]:
    """Count a job's failures by provider; attempts lost with their worker are nobody's fault."""
    return Counter(attempt.provider for attempt in attempts if attempt.error.reason in _PROVIDERS_FAULT)


def choose(candidates: Sequence[Candidate], selection: Selection) -> Choice | None:
    """Prefer providers that did not fail this job, then as `selection` says; None when every breaker is open."""
    allowed = [(place, candidate) for place, candidate in enumerate(candidates) if candidate.allowed]
    if not allowed:
        return None

    def order(entry: tuple[int, Candidate]) -> tuple[int, float, int]:
        place, candidate = entry
        speed = candidate.expected_first_token_s if selection == "fastest" else 0.0
        return candidate.failures, speed, place

    place, best = min(allowed, key=order)
    return Choice(best.route, _because(candidates, place, selection))


def _because(candidates: Sequence[Candidate], place: int, selection: Selection) -> str:
    best = candidates[place]
    if len(candidates) == 1:
        return "the only route"
    if best.failures:
        return f"fewest failures for this job ({best.failures})"
    if any(not other.allowed or other.failures for other in candidates[:place]):
        return "more preferred routes are failing"
    if selection == "fastest":
        return f"first token expected soonest, in {best.expected_first_token_s * 1000:.0f} ms"
    return "most preferred route"


def may_try_again(error: ProviderError, candidates: Iterable[Candidate], *, tokens_came: bool) -> bool:
    """Say whether another attempt may help: never once readers have seen tokens, and not where nothing would change."""
    if tokens_came or error.remedy is Remedy.NOTHING:
        return False
    return error.remedy is Remedy.ANOTHER_TRY or any(not candidate.failures for candidate in candidates)


def can_continue(request: job_pb2.GenerationRequest, said: Transcript, max_tokens: int) -> bool:
    """Say whether a new attempt may go on from the text so far: plain text with room left. Structure starts over."""
    plain = not request.tools and request.response_format.WhichOneof("format") is None
    return plain and not said.tool_calls and said.token_count < max_tokens


def wait_before_retry(error: ProviderError, candidates: Iterable[Candidate], longest_s: float) -> float | None:
    """Return how long to wait before the next attempt; None leaves it to exponential backoff.

    Nothing has to be waited for where another provider can be asked.
    """
    if any(candidate.allowed and not candidate.failures for candidate in candidates):
        return 0.0
    return None if error.retry_after_s is None else min(error.retry_after_s, longest_s)


def verdict(error: ProviderError, attempts: Sequence[job_pb2.Attempt], max_attempts: int) -> job_pb2.JobError:
    """Say why a job failed whose last attempt ended with `error`."""
    if error.remedy is not Remedy.ANOTHER_TRY or len(attempts) < max_attempts:
        return error.to_wire()
    return exhausted(attempts)


def exhausted(attempts: Sequence[job_pb2.Attempt]) -> job_pb2.JobError:
    """List why each attempt failed."""
    listed = "; ".join(f"{a.number} {a.provider} {_reason_name(a)}" for a in attempts)
    message = f"every attempt allowed was used ({listed or 'none began'}); see the last one, then submit again"
    reason = error_pb2.ERROR_REASON_ATTEMPTS_EXHAUSTED
    return job_pb2.JobError(reason=reason, message=message, retryable=True)


def _reason_name(attempt: job_pb2.Attempt) -> str:
    return error_pb2.ErrorReason.Name(attempt.error.reason).removeprefix("ERROR_REASON_")
