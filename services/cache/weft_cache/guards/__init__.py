"""Guards: each finds one kind of difference that certainly separates two questions, whatever their vectors say."""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Final

from weft_cache.guards.asking import asked_differ, persons_differ
from weft_cache.guards.codes import codes_differ, quotes_differ
from weft_cache.guards.meaning import kinds_differ, negation_differs, opposites_differ
from weft_cache.guards.moments import moments_differ
from weft_cache.guards.names import names_differ
from weft_cache.guards.numbers import numbers_differ
from weft_cache.guards.order import roles_differ
from weft_cache.guards.shares import shares_differ
from weft_cache.guards.spelling import spelling_differs
from weft_cache.guards.symbols import symbols_differ
from weft_cache.guards.words import Question

Guard = Callable[[Question, Question], bool]

GUARDS: Final[Mapping[str, Guard]] = {
    "numbers": numbers_differ,
    "moments": moments_differ,
    "codes": codes_differ,
    "quotes": quotes_differ,
    "symbols": symbols_differ,
    "names": names_differ,
    "negation": negation_differs,
    "opposites": opposites_differ,
    "kinds": kinds_differ,
    "roles": roles_differ,
    "persons": persons_differ,
    "asked": asked_differ,
    "shares": shares_differ,
    "spelling": spelling_differs,
}

_read_once = lru_cache(maxsize=1)(Question.read)  # a question is compared with several candidates in a row


def objection(asked: str, stored: str) -> str | None:
    """Returns the name of the first guard that objects to one answer for both questions; None if none does."""
    one, other = _read_once(asked), Question.read(stored)
    return next((name for name, differs in GUARDS.items() if differs(one, other)), None)
