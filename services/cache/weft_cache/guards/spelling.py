"""What the embedder does not see of a word: its accents and its capitals."""

import unicodedata
from typing import Final

from weft_cache.guards.words import Question

_ACRONYMS: Final = frozenset({"add", "aids", "in", "it", "me", "or", "us", "who"})
"""In capitals they stand for something else: a country, an illness, a field of work."""

_UNITS: Final = frozenset({"kb", "mb", "gb", "tb", "kbps", "mbps", "gbps", "mw"})
"""Their capitals tell bits from bytes, and a thousandth from a million."""
_FIGURES: Final = "0123456789"


def spelling_differs(asked: Question, stored: Question) -> bool:
    """A word of both is written with other accents, or is an acronym in one and a plain word in the other.

    Or capitals within a code, or of a unit, are others, and none of both was typed without.
    """
    return _accents_differ(asked, stored) or _acronyms_differ(asked, stored) or _capitals_differ(asked, stored)


def _accents_differ(asked: Question, stored: Question) -> bool:
    if asked.text.isascii() and stored.text.isascii():
        return False
    only_ours, only_theirs = asked.vocabulary - stored.vocabulary, stored.vocabulary - asked.vocabulary
    return not set(map(_bare, only_ours)).isdisjoint(map(_bare, only_theirs))


def _acronyms_differ(asked: Question, stored: Question) -> bool:
    if asked.vocabulary == stored.vocabulary:  # the same question, typed without capitals
        return False
    ours, theirs = asked.once(_acronyms), stored.once(_acronyms)
    return bool((ours - theirs) & stored.vocabulary or (theirs - ours) & asked.vocabulary)


def _acronyms(question: Question) -> frozenset[str]:
    if question.text.isupper():
        return frozenset()
    return frozenset(word.lower() for word in question.written if word.isupper()) & _ACRONYMS


def _capitals_differ(asked: Question, stored: Question) -> bool:
    ours, theirs = asked.once(_capitals), stored.once(_capitals)
    return any(ours[word].isdisjoint(theirs[word]) for word in ours.keys() & theirs.keys())


def _capitals(question: Question) -> dict[str, set[str]]:
    """The codes and units with capitals of their own, as written, by what they are without."""
    if question.text.istitle():  # every word has one
        return {}
    found: dict[str, set[str]] = {}
    for word in question.written:
        unit = word.lstrip(_FIGURES)
        is_unit = unit.lower() in _UNITS and not unit.islower()
        if is_unit or (any(map(str.isdigit, word)) and not word.isupper() and any(map(str.isupper, word[1:]))):
            found.setdefault(word.lower(), set()).add(word)
    return found


def _bare(word: str) -> str:
    spelt = unicodedata.normalize("NFD", word)
    return "".join(character for character in spelt if not unicodedata.combining(character))
