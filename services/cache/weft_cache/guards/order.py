"""Who does what to whom: the same words in other roles ask something else."""

from typing import Final

from weft_cache.guards.words import FUNCTION_WORDS, Question, stem

_EVEN_WORDS: Final = "and or vs versus between difference differences compare comparison similar same"
_EVEN: Final = frozenset(_EVEN_WORDS.split())
_LEAST_SHARED: Final = 0.75
_MOST_OTHER_WORDS: Final = 2
_ROLE_WORDS: Final = """
    to from by than before after over under into onto with without for of in on at against about above below
"""
_ROLES: Final = frozenset(_ROLE_WORDS.split())


def roles_differ(asked: Question, stored: Question) -> bool:
    """Nearly the same words, but two changed places: from A to B, and from B to A.

    Around `and`, `or` and `between` the order does not matter; nor does it when a whole part moved.
    """
    ours, theirs = asked.matter, stored.matter
    shared = set(ours) & set(theirs)
    if len(shared) < 2 or len(shared) < _LEAST_SHARED * max(len(set(ours)), len(set(theirs))):
        return False
    if asked.vocabulary & _EVEN and stored.vocabulary & _EVEN:
        return False
    if _trade_roles(asked, stored):
        return True
    if len(asked.vocabulary ^ stored.vocabulary) > _MOST_OTHER_WORDS:
        return False  # put differently as well, as in the passive voice: that is the verifier's to judge
    return not _is_moved_part(_only(ours, shared), _only(theirs, shared))


def _trade_roles(asked: Question, stored: Question) -> bool:
    """A word stands behind the preposition that in the other text another shared word stands behind."""
    ours, theirs = _by_role(asked), _by_role(stored)
    return any(
        ours[role] != theirs[role] and ours[role] in theirs.values() and theirs[role] in ours.values()
        for role in ours.keys() & theirs.keys()
    )


def _by_role(question: Question) -> dict[str, str]:
    """For every preposition the first word of matter behind it."""
    found: dict[str, str] = {}
    role = ""
    for word in question.words:
        if word in _ROLES:
            role = word
        elif role and word not in FUNCTION_WORDS:
            found.setdefault(role, stem(word))
            role = ""
    return found


def _only(words: tuple[str, ...], shared: set[str]) -> list[str]:
    """The shared words in order, each once."""
    return [word for word in dict.fromkeys(words) if word in shared]


def _is_moved_part(ours: list[str], theirs: list[str]) -> bool:
    """Whether one order is the other with two neighbouring parts exchanged; equal orders are. No word comes twice."""
    apart = [place for place, (one, other) in enumerate(zip(ours, theirs, strict=True)) if one != other]
    if not apart:
        return True
    first, last = apart[0], apart[-1] + 1
    ours, theirs = ours[first:last], theirs[first:last]
    cut = ours.index(theirs[0])
    return ours[cut:] + ours[:cut] == theirs
