"""Guard for differences that the embedder does not see: accents and capitals."""

import unicodedata
from itertools import pairwise
from typing import Final

from weft_cache.guards.forms import listed, wordnet_lines
from weft_cache.guards.words import WORD, Question, are_alike, disagree

_ACRONYMS: Final = frozenset({"add", "aids", "in", "it", "me", "or", "us", "who"})
"""Words that mean something else in capitals: a country, an illness, a field of work."""

_UNITS: Final = frozenset({"kb", "mb", "gb", "tb", "kbps", "mbps", "gbps", "mw"})
"""Units whose capitals distinguish bits from bytes, and a thousandth from a million."""
_FIGURES: Final = "0123456789"
_LEAST_FUNCTION: Final = 5
_MOST_CAPITALS: Final = 0.5
_SENTENCE_END: Final = frozenset('.?!:;\n"“(')
_LETTERED: Final = listed("constant variable symbol unit letter formula equation")
"""In texts with these words a capital letter differs from the small one: G and g."""
HOMONYMS: Final = frozenset(wordnet_lines("homonyms.txt"))
"""Names that are common words, too: Turkey, Polish, March."""


def spelling_differs(asked: Question, stored: Question) -> bool:
    """Returns whether a shared word has other accents, is an acronym or a name in one text only, or has other capitals
    in a code or unit, unless it was typed without any; or whether two functions differ by an S.
    """
    if _accents_differ(asked, stored) or _acronyms_differ(asked, stored) or _capitals_differ(asked, stored):
        return True
    return _names_differ(asked, stored) or _functions_differ(asked, stored)


def _names_differ(asked: Question, stored: Question) -> bool:
    """Returns whether a word is a name in one text and a common word in the other, if both use capitals normally."""
    if not are_alike(asked, stored):
        return False
    return disagree(asked.once(_cased), stored.once(_cased))


def _cased(question: Question) -> dict[str, bool]:
    """Returns the words that may be names, each with whether it is capitalised, without the first word of a sentence.

    Empty if capitals mean nothing in the text: there are none elsewhere, or most words have one.
    """
    text, words = question.text, list(WORD.finditer(question.text))
    capitals = sum(word.group()[0].isupper() for word in words if word.group() != "I")
    letters = sum(word.group()[0].isalpha() for word in words)
    if not capitals or capitals > max(_MOST_CAPITALS * letters, 2) or not words[0].group()[0].isupper():
        return {}
    found: dict[str, bool] = {}
    may_be_letters = not question.vocabulary.isdisjoint(_LETTERED)
    for before, word in pairwise(words):
        written = word.group()
        if not (written.istitle() or written.islower()) or not _SENTENCE_END.isdisjoint(
            text[before.end() : word.start()]
        ):
            continue
        if written.lower() in HOMONYMS or (may_be_letters and len(written) == 1 and written not in "aAiIcC"):
            found[written.lower()] = written[0].isupper()
    return found


def _functions_differ(asked: Question, stored: Question) -> bool:
    """Returns whether two function names differ only in a final S: SUMIF and SUMIFS."""
    ours, theirs = asked.once(_functions), stored.once(_functions)
    only_ours, only_theirs = ours - theirs, theirs - ours
    return any({word + "S", word.removesuffix("S")} & only_theirs for word in only_ours)


def _functions(question: Question) -> frozenset[str]:
    if question.text.isupper():
        return frozenset()
    return frozenset(word for word in question.written if len(word) >= _LEAST_FUNCTION and word.isupper())


def _accents_differ(asked: Question, stored: Question) -> bool:
    if asked.text.isascii() and stored.text.isascii():
        return False
    only_ours, only_theirs = asked.vocabulary - stored.vocabulary, stored.vocabulary - asked.vocabulary
    return not set(map(_bare, only_ours)).isdisjoint(map(_bare, only_theirs))


def _acronyms_differ(asked: Question, stored: Question) -> bool:
    if asked.vocabulary == stored.vocabulary:  # the same question, one typed without capitals
        return False
    ours, theirs = asked.once(_acronyms), stored.once(_acronyms)
    return bool((ours - theirs) & stored.vocabulary or (theirs - ours) & asked.vocabulary)


def _acronyms(question: Question) -> frozenset[str]:
    if question.text.isupper():
        return frozenset()
    return frozenset(word.lower() for word in question.written if word.isupper()) & _ACRONYMS


def _capitals_differ(asked: Question, stored: Question) -> bool:
    return disagree(asked.once(_capitals), stored.once(_capitals), set.isdisjoint)


def _capitals(question: Question) -> dict[str, set[str]]:
    """Returns the codes and units with distinctive capitals, as written, by their lower case."""
    if question.text.istitle():  # every word has one
        return {}
    found: dict[str, set[str]] = {}
    for word in question.written:
        unit = word.lstrip(_FIGURES)
        is_unit = unit.lower() in _UNITS and not unit.islower()
        if is_unit or (
            any(map(str.isdigit, word))
            and not word.isupper()
            and not word.istitle()
            and any(map(str.isupper, word[1:]))
        ):
            found.setdefault(word.lower(), set()).add(word)
    return found


def _bare(word: str) -> str:
    spelt = unicodedata.normalize("NFD", word)
    return "".join(character for character in spelt if not unicodedata.combining(character))
