"""Which of the nearest stored answers may serve."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

from weft_cache.guards import objection
from weft_cache.policy import Terms

_STEEPNESS: Final = 40.0
_VERIFIER_WEIGHT: Final = 0.8
_WIDEST_LEAD: Final = 0.25
_LEAST_UNANIMOUS: Final = 3
_SUREST: Final = 0.999


class Reason(Enum):
    """Why nothing may serve."""

    NOT_STORED = "not_stored"
    NOT_CACHEABLE = "not_cacheable"
    STORE_DOWN = "store_down"
    TOO_OLD = "too_old"
    GUARDED = "guarded"
    NOT_VERIFIED = "not_verified"
    DOUBTED = "doubted"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A stored answer near the question: what was asked, how alike the two are, when it was stored in Unix seconds.

    `told` is equal where two answers are.
    """

    key: str
    question: str
    similarity: float
    stored_at: float
    told: str


@dataclass(frozen=True, slots=True)
class Verified:
    """A candidate, its lead over the others, and the verifier's confidence that it asks the same."""

    candidate: Candidate
    lead: float
    confidence: float

    @property
    def certainty(self) -> float:
        return certainty(self.candidate.similarity, self.lead, self.confidence)


@dataclass(frozen=True, slots=True)
class Miss:
    """Nothing may serve."""

    reason: Reason
    best_similarity: float = 0.0


def certainty(similarity: float, lead: float, confidence: float) -> float:
    """How sure it is that an answer may serve, 0 to 1, all three taken together.

    A verifier's confidence counts as its logit, so that from .9 to .99 is as far as from .5 to .9.
    """
    bounded = min(_SUREST, max(1 - _SUREST, confidence))
    verified = _VERIFIER_WEIGHT * math.log(bounded / (1 - bounded))
    return 1 / (1 + math.exp(-(_STEEPNESS * (similarity + lead - 1) + verified)))


def lead(candidate: Candidate, candidates: Sequence[Candidate]) -> float:
    """How much nearer a candidate is than the nearest with another answer, within bounds.

    Where several stored questions are about as near and were answered differently, the question is between them; where
    all were answered alike, it does not matter which is meant. One or two alone tell nothing: 0.
    """
    others = [other.similarity for other in candidates if other.told != candidate.told]
    if not others:
        return _WIDEST_LEAD if len(candidates) >= _LEAST_UNANIMOUS else 0.0
    return max(-_WIDEST_LEAD, min(_WIDEST_LEAD, candidate.similarity - max(others)))


def shortlist(
    question: str, candidates: Sequence[Candidate], terms: Terms, threshold: float, now: float
) -> list[Candidate] | Miss:
    """Those worth the verifier's time: close enough, young enough, no guard objects, and its word could be decisive."""
    best = best_similarity(candidates)
    close = [candidate for candidate in candidates if candidate.similarity >= terms.min_similarity]
    if not close:
        return Miss(Reason.NOT_STORED, best)
    young = [candidate for candidate in close if is_young(candidate.stored_at, terms, now)]
    if not young:
        return Miss(Reason.TOO_OLD, best)
    alike = [candidate for candidate in young if objection(question, candidate.question) is None]
    if not alike:
        return Miss(Reason.GUARDED, best)
    open_ = [one for one in alike if certainty(one.similarity, lead(one, candidates), confidence=1.0) >= threshold]
    return open_ or Miss(Reason.DOUBTED, best)


def choose(verified: Sequence[Verified], threshold: float) -> Verified | Miss:
    """The one that most certainly may serve, if that is certain enough."""
    surest = max(verified, key=lambda one: one.certainty)
    if surest.certainty >= threshold:
        return surest
    return Miss(Reason.DOUBTED, best_similarity([one.candidate for one in verified]))


def best_similarity(candidates: Sequence[Candidate]) -> float:
    """The highest, or 0 when there are none."""
    return max((candidate.similarity for candidate in candidates), default=0.0)


def is_young(stored_at: float, terms: Terms, now: float) -> bool:
    """Whether an answer's age is one the caller accepts."""
    return age_s(stored_at, now) <= terms.max_age_s


def age_s(stored_at: float, now: float) -> float:
    """Seconds since an answer was stored; 0 when another replica's clock runs ahead."""
    return max(0.0, now - stored_at)
