"""Pairs made like those of PAWS: two words of a question swap places, so that both texts have the same words."""

import random
import re
from collections.abc import Sequence
from typing import Final

from bench.cache_quality.pairs import Pair

_SYMMETRIC: Final = re.compile(r"\b(?:and|or|vs|versus|between|both|compared?|similar|same)\b|,", re.IGNORECASE)
_LINKED: Final = re.compile(
    r"\b(?P<left>[A-Za-z]{4,}) (?P<link>(?:to|from|than|of|in|into|for|over|on)(?: (?:a|an|the|my|your))?) "
    r"(?P<right>[A-Za-z]{4,})\b"
)
_GRAMMAR_WORDS: Final = "what when where which that this these those have does from with like been make"
_NO_MATTER: Final = frozenset(_GRAMMAR_WORDS.split())
_SEED: Final = 4


def swaps(questions: Sequence[str], at_most: int) -> list[Pair]:
    """Returns questions paired with themselves, with the words on both sides of a preposition swapped.

    They are labelled different: what is in, of or from what has changed, even if the result makes little sense.
    """
    texts = list(dict.fromkeys(questions))
    random.Random(_SEED).shuffle(texts)
    made = ((text, _swapped(text)) for text in texts)
    return [Pair(text, swapped, False) for text, swapped in made if swapped is not None][:at_most]


def _swapped(question: str) -> str | None:
    linked = None if _SYMMETRIC.search(question) else _LINKED.search(question)
    if linked is None:
        return None
    left, link, right = linked.group("left", "link", "right")
    if left.lower() == right.lower() or {left.lower(), right.lower()} & _NO_MATTER:
        return None
    return f"{question[: linked.start()]}{right} {link} {left}{question[linked.end() :]}"
