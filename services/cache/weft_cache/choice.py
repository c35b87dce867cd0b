"""Which of the nearest stored answers may serve."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from weft_cache.certainty import WIDEST_LEAD, Neighbour, certainty
from weft_cache.guards import objection
from weft_cache.policy import Terms


class Reason(Enum):
    """Why nothing may serve."""

    NOT_STORED = "not_stored"
    NOT_CACHEABLE = "not_cacheable"
    STORE_DOWN = "store_down"
    TOO_OLD = "too_old"
    GUARDED = "guarded"
    NOT_VERIFIED = "not_verified"
    DOUBTED = "doubted"
    LANGUAGE = "language"
    """The question is not in a language that embedder and verifier know."""
    UNREAD = "unread"
    """The embedder cannot read enough of it."""


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
class Shortlist:
    """What the verifier is to read: those that may serve, and rivals that may not but count against them."""

    servable: Sequence[Candidate]
    rivals: Sequence[Candidate]

    @property
    def compared(self) -> list[Candidate]:
        return [*self.servable, *self.rivals]

    @property
    def questions(self) -> list[str]:
        return [one.question for one in self.compared]


@dataclass(frozen=True, slots=True)
class Verified:
    """A candidate, the verifier's confidence that it asks the same, and how sure it is that its answer may serve."""

    candidate: Candidate
    confidence: float
    certainty: float


@dataclass(frozen=True, slots=True)
class Miss:
    """Nothing may serve."""

    reason: Reason
    best_similarity: float = 0.0


def shortlist(
    question: str, candidates: Sequence[Candidate], terms: Terms, threshold: float, now: float
) -> Shortlist | Miss:
    """Those close enough and young enough to which no guard objects, if the verifier's word could be decisive.

    What the caller's terms leave out is a rival still: stricter terms must not make anything else surer.
    """
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
    if all(_sureness(one, candidates, {one.key: 1.0}) < threshold for one in alike):
        return Miss(Reason.DOUBTED, best)
    reach = best_similarity(alike) - WIDEST_LEAD
    others = [one for one in candidates if one.similarity >= reach and one not in young]
    rivals = [one for one in others if objection(question, one.question) is None]
    return Shortlist([one for one in alike if one.similarity >= reach], rivals)


def choose(
    candidates: Sequence[Candidate], listed: Shortlist, confidences: Sequence[float], threshold: float
) -> Verified | Miss:
    """The one that most certainly may serve, if that is certain enough; `confidences` are of `listed.questions`."""
    by_key = {one.key: confidence for one, confidence in zip(listed.compared, confidences, strict=True)}
    verified = [Verified(one, by_key[one.key], _sureness(one, candidates, by_key)) for one in listed.servable]
    surest = max(verified, key=lambda one: one.certainty)
    if surest.certainty >= threshold:
        return surest
    return Miss(Reason.DOUBTED, best_similarity(candidates))


def _sureness(one: Candidate, candidates: Sequence[Candidate], confidences: Mapping[str, float]) -> float:
    """What was not compared was refused before, or is far, and counts as if the verifier had refused it."""
    seen = {other.key: Neighbour(other.similarity, other.told, confidences.get(other.key, 0.0)) for other in candidates}
    return certainty(seen[one.key], list(seen.values()))


def best_similarity(candidates: Sequence[Candidate]) -> float:
    """The highest, or 0 when there are none."""
    return max((candidate.similarity for candidate in candidates), default=0.0)


def is_young(stored_at: float, terms: Terms, now: float) -> bool:
    """Whether an answer's age is one the caller accepts."""
    return age_s(stored_at, now) <= terms.max_age_s


def age_s(stored_at: float, now: float) -> float:
    """Seconds since an answer was stored; 0 when another replica's clock runs ahead."""
    return max(0.0, now - stored_at)
