"""Chooses which of the nearest stored answers may be served."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from weft_cache.guards import objection
from weft_cache.policy import LookupTerms
from weft_cache.records import Candidate
from weft_cache.semantic.scoring import (
    NEAR,
    REACH,
    Neighbour,
    certainty,
)


class Reason(Enum):
    """Why no answer may be served."""

    NOT_STORED = "not_stored"
    NOT_CACHEABLE = "not_cacheable"
    STORE_DOWN = "store_down"
    TOO_OLD = "too_old"
    GUARDED = "guarded"
    NOT_VERIFIED = "not_verified"
    DOUBTED = "doubted"
    OVERLOADED = "overloaded"
    LATE = "late"
    LANGUAGE = "language"
    """The question is in a language that embedder and verifier do not know."""
    UNREAD = "unread"
    """The embedder cannot read enough of the question."""
    UNCALIBRATED = "uncalibrated"
    """Certainty was never measured with this embedder."""


@dataclass(frozen=True, slots=True)
class Shortlist:
    """What the verifier is to read: candidates, and rivals that may not be served but count against them.

    `near` are all neighbours to which no guard objects, whether the verifier reads them or not.
    """

    servable: Sequence[Candidate]
    rivals: Sequence[Candidate]
    near: Sequence[Candidate]

    @property
    def compared(self) -> list[Candidate]:
        return [*self.servable, *self.rivals]

    @property
    def questions(self) -> list[str]:
        return [one.question for one in self.compared]


@dataclass(frozen=True, slots=True)
class Verified:
    """A candidate, the verifier's confidence that it asks the same, and the certainty that its answer may be served."""

    candidate: Candidate
    confidence: float
    certainty: float


@dataclass(frozen=True, slots=True)
class Miss:
    """No answer may be served."""

    reason: Reason
    best_similarity: float = 0.0


def shortlist(
    question: str, candidates: Sequence[Candidate], terms: LookupTerms, threshold: float, now: float
) -> Shortlist | Miss:
    """Returns the candidates that are similar and recent enough, to which no guard objects, and that can still reach
    the threshold, if the verifier confirms them.

    Rivals are read even if the caller's terms exclude them: stricter terms must not make other candidates surer.
    """
    best = best_similarity(candidates)
    close = [candidate for candidate in candidates if candidate.similarity >= terms.min_similarity]
    if not close:
        return Miss(Reason.NOT_STORED, best)
    young = [candidate for candidate in close if is_young(candidate.stored_at, terms, now)]
    if not young:
        return Miss(Reason.TOO_OLD, best)
    near = [one for one in candidates if one.similarity >= NEAR and objection(question, one.question) is None]
    allowed = [candidate for candidate in young if candidate in near]
    if not allowed:
        return Miss(Reason.GUARDED, best)
    servable = [one for one in allowed if _sureness(one, near, {one.key: 1.0}) >= threshold]
    if not servable:
        return Miss(Reason.DOUBTED, best)
    reach = min(one.similarity for one in servable) - REACH
    return Shortlist(servable, [one for one in near if one.similarity >= reach and one not in servable], near)


def choose(
    candidates: Sequence[Candidate], listed: Shortlist, confidences: Sequence[float], threshold: float
) -> Verified | Miss:
    """Returns the candidate with the highest certainty if that reaches the threshold.

    `confidences` are those of `listed.questions`, in order.
    """
    by_key = {one.key: confidence for one, confidence in zip(listed.compared, confidences, strict=True)}
    verified = [Verified(one, by_key[one.key], _sureness(one, listed.near, by_key)) for one in listed.servable]
    surest = max(verified, key=lambda one: one.certainty)
    if surest.certainty >= threshold:
        return surest
    return Miss(Reason.DOUBTED, best_similarity(candidates))


def _sureness(one: Candidate, near: Sequence[Candidate], confidences: Mapping[str, float]) -> float:
    """Returns a candidate's certainty. Neighbours that the verifier has not read are no rivals: they are too far, or
    are yet to be read.
    """
    seen = {other.key: Neighbour(other.similarity, other.told, confidences.get(other.key, 0.0)) for other in near}
    return certainty(seen[one.key], list(seen.values()))


def best_similarity(candidates: Sequence[Candidate]) -> float:
    """Returns the highest similarity; 0 if there are no candidates."""
    return max((candidate.similarity for candidate in candidates), default=0.0)


def is_young(stored_at: float, terms: LookupTerms, now: float) -> bool:
    """Returns whether the caller accepts an answer's age."""
    return age_s(stored_at, now) <= terms.max_age_s


def age_s(stored_at: float, now: float) -> float:
    """Returns the seconds since an answer was stored; 0 if another replica's clock is ahead."""
    return max(0.0, now - stored_at)
