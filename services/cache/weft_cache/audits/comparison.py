"""Decides whether two answers say the same, as far as a program can.

A served answer is right if the model, asked the question itself, says the same:

1. Equal but for case, punctuation and white space: the same.
2. Short answers that differ in a number, a time, a code, a name or a negation: different.
3. Short answers of which one contains every word of the other: the same.
4. Otherwise the cosine of their embeddings decides, which covers only the beginning of long answers.

A right answer in other words may count as wrong, so the measured rate errs upwards.
"""

import re
from array import array
from enum import Enum
from operator import mul
from typing import Final

from weft_cache.guards import GUARDS
from weft_cache.guards.words import Question
from weft_cache.records import Vector

HEAD_CHARACTERS: Final = 700
"""How much of an answer is compared: about what the embedder reads."""
_SHORT_CHARACTERS: Final = 300
"""Longer answers always say something that the other omits, so the guards would object to all of them."""
_TELLING: Final = ("numbers", "moments", "codes", "names", "negation")
_WORD: Final = re.compile(r"\w+")


class Verdict(Enum):
    """The result of a comparison."""

    SAME = "same"
    DIFFERENT = "different"
    NOT_COMPARED = "not_compared"


def head(text: str) -> str:
    """Returns the part of an answer that is compared."""
    return text.strip()[:HEAD_CHARACTERS]


def at_sight(served: str, fresh: str) -> Verdict:
    """Returns a verdict from the words alone; NOT_COMPARED leaves the decision to the vectors."""
    ours, theirs = _words(served), _words(fresh)
    if ours == theirs:
        return Verdict.SAME
    if max(len(served), len(fresh)) > _SHORT_CHARACTERS:
        return Verdict.NOT_COMPARED
    if _object(served, fresh):
        return Verdict.DIFFERENT
    if set(ours) <= set(theirs) or set(theirs) <= set(ours):
        return Verdict.SAME
    return Verdict.NOT_COMPARED


def by_meaning(served: Vector | None, fresh: Vector | None, least: float) -> Verdict:
    """Returns a verdict from the vectors; NOT_COMPARED if one is missing, or if they are from different embedders."""
    if served is None or fresh is None or served.embedder != fresh.embedder:
        return Verdict.NOT_COMPARED
    cosine = sum(map(mul, array("f", served.components), array("f", fresh.components)))
    return Verdict.SAME if cosine >= least else Verdict.DIFFERENT


def _object(served: str, fresh: str) -> bool:
    ours, theirs = Question.read(served), Question.read(fresh)
    return any(GUARDS[name](ours, theirs) for name in _TELLING)


def _words(text: str) -> list[str]:
    return _WORD.findall(text.casefold())
