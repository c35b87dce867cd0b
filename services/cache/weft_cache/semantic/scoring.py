"""How certain it is that a stored answer may be served: its similarity, the verifier's confidence, and its neighbours.

Two conditions must both hold, so that neither makes up for the other; the certainty is the product:

    sigmoid(slope * (cosine - middle + vote * votes - rival * rivalry))        it is near enough
    sigmoid(verifier_slope * (logit - verifier_middle + verifier_vote * votes))        both ask the same

If all neighbours have the same answer, each is a vote for it, since it does not matter which one is meant. A rival,
which has a different answer, can only lower the certainty. Being nearer than a rival proves nothing: a question that is
not stored at all is also nearer to some questions than to others.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

NEAR: Final = 0.7
"""Cosine from which two questions count as neighbours; anything farther is ignored."""
LEAST_CONFIDENCE: Final = 0.3
"""Below this confidence the verifier says no, and nothing outvotes it."""
_SUREST: Final = 0.999
_MOST_VOTES: Final = 4
REACH: Final = 0.1
"""A question whose cosine is lower than the candidate's by more than this is not a rival."""


@dataclass(frozen=True, slots=True)
class Weights:
    """Fitted by bench/cache_quality/fitting.py on validation parts; docs/cache.md says how."""

    slope: float
    middle: float
    vote: float
    rival: float
    verifier_slope: float
    verifier_middle: float
    verifier_vote: float


WEIGHTS: Final = Weights(
    slope=302.5, middle=0.925, vote=0.024, rival=0.1562, verifier_slope=1.65, verifier_middle=1.0, verifier_vote=0.24
)


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A stored question near the current one, to which no guard objects.

    `told` is equal for equal answers; `confidence` is the verifier's, 0 if it has not read the question.
    """

    similarity: float
    told: str
    confidence: float


@dataclass(frozen=True, slots=True)
class Evidence:
    """The evidence for one neighbour: its cosine, the verifier's logit, and the number of other neighbours if all have
    its answer; and against it, how near the closest rival is to which the verifier does not say no.
    """

    similarity: float
    logit: float
    votes: int
    rivalry: float


def certainty(one: Neighbour, near: Sequence[Neighbour]) -> float:
    """Returns the certainty, 0 to 1, that a neighbour's answer may be served; `near` includes that neighbour."""
    found = evidence(one, near)
    return weighed(found, WEIGHTS) if found else 0.0


def evidence(one: Neighbour, near: Sequence[Neighbour]) -> Evidence | None:
    """Returns the evidence for a neighbour; None if it is too far, or if the verifier says no."""
    if one.similarity < NEAR or one.confidence < LEAST_CONFIDENCE:
        return None
    beside = [other for other in near if other is not one and other.similarity >= NEAR]
    others = [other for other in beside if other.told != one.told]
    votes = 0 if others else min(len(beside), _MOST_VOTES)
    liked = (other.similarity for other in others if other.confidence >= LEAST_CONFIDENCE)
    rivalry = max(0.0, max(liked, default=0.0) - one.similarity + REACH)
    return Evidence(one.similarity, _logit(one.confidence), votes, rivalry)


def weighed(found: Evidence, weights: Weights) -> float:
    """Returns the certainty that follows from evidence."""
    nearness = found.similarity - weights.middle + weights.vote * found.votes - weights.rival * found.rivalry
    verified = found.logit - weights.verifier_middle + weights.verifier_vote * found.votes
    return _sigmoid(weights.slope * nearness) * _sigmoid(weights.verifier_slope * verified)


def _sigmoid(logit: float) -> float:
    return 1 / (1 + math.exp(-logit))


def _logit(confidence: float) -> float:
    """Returns the logit, in which .9 to .99 is about as far as .5 to .9; beyond .999 it does not grow."""
    bounded = min(_SUREST, max(1 - _SUREST, confidence))
    return math.log(bounded / (1 - bounded))
