"""What tells two questions apart for certain, whatever their vectors say."""

from collections.abc import Callable, Mapping
from typing import Final

from weft_cache.guards.figures import codes_differ, numbers_differ, quotes_differ
from weft_cache.guards.meaning import negation_differs, opposites_differ
from weft_cache.guards.names import names_differ
from weft_cache.guards.order import roles_differ
from weft_cache.guards.spelling import spelling_differs
from weft_cache.guards.words import Question

Guard = Callable[[Question, Question], bool]

GUARDS: Final[Mapping[str, Guard]] = {
    "numbers": numbers_differ,
    "codes": codes_differ,
    "quotes": quotes_differ,
    "names": names_differ,
    "negation": negation_differs,
    "opposites": opposites_differ,
    "roles": roles_differ,
    "spelling": spelling_differs,
}


def objection(asked: str, stored: str) -> str | None:
    """The name of the first guard that objects to one answer for both questions; None when none does."""
    one, other = Question.read(asked), Question.read(stored)
    return next((name for name, differs in GUARDS.items() if differs(one, other)), None)
