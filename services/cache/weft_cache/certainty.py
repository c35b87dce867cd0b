"""How sure it is that a stored answer may serve: its nearness, the verifier's word, and what else is near."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

_SIMILARITY_WEIGHT: Final = 8.0
_VERIFIER_WEIGHT: Final = 0.4
_LEAST_CONFIDENCE: Final = 0.3
_SUREST: Final = 0.999

WIDEST_LEAD: Final = 0.2
"""A stored question that is so much farther than another, in cosine, is no rival to it."""
_LEAD_WEIGHT: Final = 56.0
_PREFERENCE_WEIGHT: Final = 1.2
_WIDEST_PREFERENCE: Final = 7.0
_LEAST_UNANIMOUS: Final = 3
_SHARED: Final = -12.0
_UNANIMOUS: Final = 2.0
_LONE: Final = 0.9


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A stored question near the one that is asked.

    `told` is equal where two answers are; `confidence` is the verifier's, 0 where it was refused without a reading.
    """

    similarity: float
    told: str
    confidence: float


def certainty(one: Neighbour, near: Sequence[Neighbour]) -> float:
    """How sure it is that this one's answer may serve, 0 to 1; `near` are all that are near, this one included.

    Where the verifier says no, nothing outvotes it.
    """
    if one.confidence < _LEAST_CONFIDENCE:
        return 0.0
    nearness = _SIMILARITY_WEIGHT * (one.similarity - 1) + _VERIFIER_WEIGHT * _logit(one.confidence)
    return 1 / (1 + math.exp(-nearness - standing(one, near)))


def standing(one: Neighbour, near: Sequence[Neighbour]) -> float:
    """What the others say of it, in logits.

    Where they were answered differently it must lead: be nearer, and the verifier must prefer it. Where some of them
    share an answer they are about one subject, and the question may be another about the same: there the lead must be
    wide. Where all were answered alike it does not matter which is meant. One or two alone tell nothing.
    """
    rivals = [other for other in near if other.told != one.told]
    if not rivals:
        return _UNANIMOUS if len(near) >= _LEAST_UNANIMOUS else _LONE
    lead = min(WIDEST_LEAD, one.similarity - max(rival.similarity for rival in rivals))
    preference = min(_WIDEST_PREFERENCE, _logit(one.confidence) - max(_logit(rival.confidence) for rival in rivals))
    shared = len({other.told for other in near}) < len(near)
    return _LEAD_WEIGHT * lead + _PREFERENCE_WEIGHT * preference + (_SHARED if shared else 0.0)


def _logit(confidence: float) -> float:
    """From .9 to .99 is as far as from .5 to .9; past .999 and .001 nothing is gained."""
    bounded = min(_SUREST, max(1 - _SUREST, confidence))
    return math.log(bounded / (1 - bounded))
