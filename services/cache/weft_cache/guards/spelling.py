"""What the embedder does not see of a word: its accents and its capitals."""

import unicodedata
from typing import Final

from weft_cache.guards.words import Question

_ACRONYMS: Final = frozenset({"add", "aids", "in", "it", "me", "or", "us", "who"})
"""In capitals they stand for something else: a country, an illness, a field of work."""


def spelling_differs(asked: Question, stored: Question) -> bool:
    """A word of both is written with other accents, or is an acronym in one and a plain word in the other."""
    return _accents_differ(asked, stored) or _acronyms_differ(asked, stored)


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


def _bare(word: str) -> str:
    spelt = unicodedata.normalize("NFD", word)
    return "".join(character for character in spelt if not unicodedata.combining(character))
