"""Guard for who does what to whom: the same words in other roles ask something else."""

from collections.abc import Sequence
from typing import Final

from weft_cache.guards.forms import listed, stem
from weft_cache.guards.lexicon import base, opposites
from weft_cache.guards.voice import voices_differ
from weft_cache.guards.words import BE, FUNCTION_WORDS, Question, are_alike, disagree, leading_matter

_COMPARING: Final = listed("between difference differences compare comparison similar same")
_JOINING: Final = listed("and or vs versus")
_EVEN: Final = _COMPARING | _JOINING
_SHARES: Final = listed("all every each any most som")
_LEAST_SHARED: Final = 0.75
_MOST_OTHER_WORDS: Final = 2
_ROLE_WORDS: Final = """
    to from by than before after over under into onto with without for of in on at against about above below
"""
_ROLES: Final = listed(_ROLE_WORDS)
# Swapping the two sides of these changes the meaning; for `with` and `against` it depends on the verb.
_SIDED: Final = _ROLES - {"with", "against"}
# The words around these may also form a compound: problems of motion, motion problems.
_LOOSE: Final = frozenset({"of", "for", "in", "on", "at"})
_DIRECTED: Final = listed("to from by than before after over under into onto above below")
_EXCHANGES: Final = frozenset({"replac", "substitut", "chang", "swap", "overwrit", "overrid"})
_FAR_IS: Final = listed("is are was from away apart")
_DISTANT: Final = listed("from to between in of is")
# Between the same two words, each of these means something else.
_TELLING: Final = listed("to from about by after until since behind against during")
_PASSED_OVER: Final = listed("a an the my your his her i you he she we they it")
_MOST_PARTS: Final = 16


def roles_differ(asked: Question, stored: Question) -> bool:
    """Returns whether the words are nearly the same but play other roles: from A to B, and from B to A.

    The order does not matter around `and`, `or` and `between`, nor if a whole part moved.
    """
    if voices_differ(asked, stored) or _go_another_way(asked, stored) or _exchange_signs(asked, stored):
        return True
    return _change_places(asked, stored)


def _change_places(asked: Question, stored: Question) -> bool:
    if asked.once(_asks_how_far) and stored.once(_asks_how_far):
        return False
    ours, theirs = asked.subjects, stored.subjects
    shared = ours & theirs
    if len(shared) < 2 or len(shared) < _LEAST_SHARED * max(len(ours), len(theirs)):
        return False
    if _are_all_of(asked, stored):
        return True
    if around := mirrored(asked, stored):
        return around != "than" or not _compared_the_other_way(asked, stored)
    if not (_COMPARING.isdisjoint(asked.vocabulary) or _COMPARING.isdisjoint(stored.vocabulary)):
        return False
    return _trade_roles(asked, stored) or _are_exchanged(asked, stored, shared)


def _asks_how_far(question: Question) -> bool:
    """Returns whether it asks for a distance, which is the same in both directions."""
    words = question.words
    triples = zip(("", *words), words, (*words[1:], ""), strict=False)
    return any(
        (before == "how" and word == "far" and behind in _FAR_IS)
        or (word == "distance" and behind in _DISTANT)
        or (word == "away" and behind == "from" and {"how", "far"} <= question.vocabulary)
        for before, word, behind in triples
    )


def _are_all_of(asked: Question, stored: Question) -> bool:
    """Returns whether two words after `be` changed places: are all squares rectangles, are all rectangles squares."""
    ours, theirs = ([word for word in question.matter if word not in _SHARES] for question in (asked, stored))
    return (
        len(ours) == 2
        and ours == theirs[::-1]
        and asked.words[:1] == stored.words[:1]
        and not BE.isdisjoint(asked.words[:1])
        and _JOINING.isdisjoint(asked.vocabulary | stored.vocabulary)
        and sorted(word for word in asked.words if word in FUNCTION_WORDS)
        == sorted(word for word in stored.words if word in FUNCTION_WORDS)
    )


def _are_exchanged(asked: Question, stored: Question, shared: frozenset[str]) -> bool:
    if len(asked.vocabulary ^ stored.vocabulary) > _MOST_OTHER_WORDS:
        return False  # also worded differently, as in the passive voice: the verifier decides
    exchanged = _exchanged(_only(asked.matter, shared), _only(stored.matter, shared))
    return bool(exchanged) and not (_are_joined(asked, exchanged) and _are_joined(stored, exchanged))


def _are_joined(question: Question, exchanged: frozenset[str]) -> bool:
    """Returns whether an `and` or an `or` is between the exchanged words."""
    words = question.words
    places = [at for at, word in enumerate(words) if word not in FUNCTION_WORDS and stem(word) in exchanged]
    return not _JOINING.isdisjoint(words[places[0] : places[-1]])


def mirrored(asked: Question, stored: Question) -> str:
    """Returns the preposition whose two sides changed places: `list to tuple`, `tuple to list`; "" if there is none."""
    ours, theirs = asked.once(_sides), stored.once(_sides)
    exchanges = not _EXCHANGES.isdisjoint(asked.subjects & stored.subjects)
    for role, *sides in (found for found in ours if found not in theirs):
        for other, *their_sides in (found for found in theirs if found not in ours):
            if role == other and _are_crossed(role, sides, their_sides, exchanges=exchanges):
                return role
    return ""


def _are_crossed(
    role: str, ours: Sequence[frozenset[str]], theirs: Sequence[frozenset[str]], *, exchanges: bool
) -> bool:
    if role in _LOOSE and not exchanges:
        return ours == theirs[::-1] and all(map(len, ours))
    moved_behind, moved_before = (ours[0] & theirs[1]) - theirs[0], (ours[1] & theirs[0]) - theirs[1]
    return bool(moved_behind - ours[1] and moved_before - ours[0])


def _sides(question: Question) -> tuple[tuple[str, frozenset[str], frozenset[str]], ...]:
    """Returns the first prepositions, each with the content words directly before and after it."""
    if question.vocabulary.isdisjoint(_ROLES):
        return ()
    roles = _SIDED if _EXCHANGES.isdisjoint(question.subjects) else _ROLES
    words = question.words
    places = [at for at, word in enumerate(words[:-1]) if word in roles][:_MOST_PARTS]
    if words[-1:] and words[-1] in _ROLES:  # music to listen to
        return ()
    return tuple(
        (
            words[at],
            leading_matter(words[max(0, at - 5) : at][::-1], _PASSED_OVER),
            leading_matter(words[at + 1 : at + 6], _PASSED_OVER),
        )
        for at in places
    )


def _compared_the_other_way(asked: Question, stored: Question) -> bool:
    """Returns whether an opposite makes up for the other order: A is bigger than B, B is smaller than A."""
    ours, theirs = ({base(word) for word in question.words} for question in (asked, stored))
    return any(not opposites(word).isdisjoint(theirs - ours) for word in ours - theirs)


def _go_another_way(asked: Question, stored: Question) -> bool:
    """Returns whether another preposition is between the same two words: travel to Cuba and travel from Cuba."""
    if not are_alike(asked, stored) or (asked.once(_asks_how_far) and stored.once(_asks_how_far)):
        return False
    return disagree(asked.once(_ways), stored.once(_ways), set.isdisjoint)


def _ways(question: Question) -> dict[tuple[str, str], set[str]]:
    """Returns the telling prepositions, by the words before and after them."""
    found: dict[tuple[str, str], set[str]] = {}
    for before, word, behind in zip(question.words, question.words[1:], question.words[2:], strict=False):
        if word in _TELLING:
            found.setdefault((before, behind), set()).add(word)
    return found


def _exchange_signs(asked: Question, stored: Question) -> bool:
    """Returns whether only numbers or single letters changed places: 5 - 3 and 3 - 5, f(x, y) and f(y, x)."""
    if len(asked.words) != len(stored.words) or not _EVEN.isdisjoint(asked.vocabulary):
        return False
    apart = [pair for pair in zip(asked.words, stored.words, strict=True) if pair[0] != pair[1]]
    ours, theirs = sorted(word for word, _ in apart), sorted(word for _, word in apart)
    return bool(apart) and ours == theirs and all(len(word) == 1 or word.isdecimal() for word in ours)


def _trade_roles(asked: Question, stored: Question) -> bool:
    """Returns whether the words after two prepositions changed places: from A to B, to A from B."""
    ours, theirs = asked.once(_by_role), stored.once(_by_role)
    return any(
        ours[role] != theirs[role] and ours[role] in theirs.values() and theirs[role] in ours.values()
        for role in ours.keys() & theirs.keys()
    )


def _by_role(question: Question) -> dict[str, str]:
    """Returns, for every preposition of direction, the first content word after it."""
    found: dict[str, str] = {}
    role = ""
    for word in question.words:
        if word in _DIRECTED:
            role = word
        elif role and word not in FUNCTION_WORDS:
            found.setdefault(role, stem(word))
            role = ""
    return found


def _only(words: tuple[str, ...], shared: frozenset[str]) -> list[str]:
    """Returns the shared words in order, each once."""
    return [word for word in dict.fromkeys(words) if word in shared]


def _exchanged(ours: list[str], theirs: list[str]) -> frozenset[str]:
    """Returns two parts that changed places and the words between them; nothing if the orders differ otherwise, too.

    Each list has every word once.
    """
    apart = [place for place, (one, other) in enumerate(zip(ours, theirs, strict=True)) if one != other]
    if not apart:
        return frozenset()
    first, last = apart[0], apart[-1] + 1
    ours, theirs = ours[first:last], theirs[first:last]
    back, front = len(ours) - ours.index(theirs[0]), len(theirs) - theirs.index(ours[0])
    if back + front >= len(ours):
        return frozenset()  # one part moved: there is nothing between the two
    is_exchange = ours == theirs[-front:] + theirs[back:-front] + theirs[:back]
    return frozenset(ours) if is_exchange else frozenset()
