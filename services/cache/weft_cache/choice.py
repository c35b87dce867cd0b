"""Which of the nearest stored answers may serve."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from weft_cache.policy import Terms


class Reason(Enum):
    """Why nothing may serve."""

    NOT_STORED = "not_stored"
    NOT_CACHEABLE = "not_cacheable"
    STORE_DOWN = "store_down"
    TOO_OLD = "too_old"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A stored answer near the question. `stored_at` is in Unix seconds."""

    key: str
    similarity: float
    stored_at: float


@dataclass(frozen=True, slots=True)
class Miss:
    """Nothing may serve."""

    reason: Reason
    best_similarity: float = 0.0


def choose(candidates: Sequence[Candidate], terms: Terms, now: float) -> Candidate | Miss:
    """The nearest of those that are close enough and young enough."""
    best = max((candidate.similarity for candidate in candidates), default=0.0)
    close = [candidate for candidate in candidates if candidate.similarity >= terms.min_similarity]
    young = [candidate for candidate in close if is_young(candidate.stored_at, terms, now)]
    if young:
        return max(young, key=lambda candidate: candidate.similarity)
    return Miss(Reason.TOO_OLD if close else Reason.NOT_STORED, best)


def is_young(stored_at: float, terms: Terms, now: float) -> bool:
    """Whether an answer's age is one the caller accepts."""
    return age_s(stored_at, now) <= terms.max_age_s


def age_s(stored_at: float, now: float) -> float:
    """Seconds since an answer was stored; 0 when another replica's clock runs ahead."""
    return max(0.0, now - stored_at)
