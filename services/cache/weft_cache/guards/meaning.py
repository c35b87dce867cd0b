"""Words that turn a question around: a negation, an opposite, another unit, day or colour."""

import re
from typing import Final

from weft_cache.guards.lexicon import RIVALS, level
from weft_cache.guards.words import Question

_NEGATIONS: Final = frozenset({"not", "no", "never", "none", "nobody", "nothing", "neither", "nor", "unable", "except"})
_ASKED_OF_THE_SAME: Final = re.compile(
    r"^\W*(?:is|are|do|does|did|can|could|should|would|will|was|were|has|have)n't\b", re.IGNORECASE
)


def negation_differs(asked: Question, stored: Question) -> bool:
    """One text denies what the other asserts. `Isn't it …?` asks what `Is it …?` asks."""
    return _denies(asked) != _denies(stored)


def opposites_differ(asked: Question, stored: Question) -> bool:
    """One text has a word, and the other in its stead one that excludes it: on and off, kilometres and miles."""
    ours, theirs = _levelled(asked), _levelled(stored)
    only_ours, only_theirs = ours - theirs, theirs - ours
    return any(RIVALS.get(word, frozenset()) & only_theirs for word in only_ours)


def _denies(question: Question) -> bool:
    words = question.words[1:] if question.words[:1] == ("no",) else question.words  # "No, …" answers, it does not deny
    return sum(word in _NEGATIONS for word in words) > bool(_ASKED_OF_THE_SAME.match(question.text))


def _levelled(question: Question) -> frozenset[str]:
    return frozenset(level(word) for word in question.words)
