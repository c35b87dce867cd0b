"""Guard for names: France is not Spain, and vitamin A is not vitamin B."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from weft_cache.guards.forms import listed, stem
from weft_cache.guards.moments import moments
from weft_cache.guards.number_reading import numbers
from weft_cache.guards.number_words import NUMBER_WORDS
from weft_cache.guards.roman import ROMAN_LETTERS
from weft_cache.guards.words import FUNCTION_WORDS, WORD, Question, are_alike

_KIN: Final = 4
_LONGEST_INITIALS: Final = 12
_MOST_NAMES: Final = 0.3
_ALIASES: Final = {
    "usa": "america", "us": "america", "states": "america", "american": "america", "americans": "america",
    "uk": "britain", "british": "britain", "england": "britain", "kingdom": "britain", "united": "",
    "eu": "europe", "uae": "emirates", "nyc": "york", "la": "angeles", "sf": "francisco", "js": "javascript",
    "fb": "facebook", "ig": "instagram", "ml": "machine", "ai": "artificial", "pm": "minister", "ceo": "executive",
    "wwii": "war", "wwi": "war", "ww": "war", "fifa": "", "nba": "", "mr": "", "mrs": "", "ms": "", "dr": "",
    "sir": "", "inr": "rupee", "rs": "rupee", "u": "",
}  # fmt: skip
_NO_NAMES: Final = FUNCTION_WORDS - _ALIASES.keys()
_SENTENCE_END: Final = frozenset('.?!:;\n"“(')
_SHORT: Final = 3
# Words that a letter after them distinguishes: vitamin A, plan B, drive C, blood type O.
_LETTERED: Final = listed("""
    vitamin plan hepatitis grade type drive class option section team group part appendix exhibit level schedule form
    figure gate terminal platform block building room unit wing channel variable letter column row point player side
    model series factor category phase stage influenza flu blood strain list site zone lane track flat apartment
    answer choice question school district driver permit visa list tier league division key chord note size cup string
    malaria step bus line train hall floor bay tower dock camp variant version test case sample product company
    omega interferon protein rank licence license
    """)
_PRONOUNS: Final = frozenset("aAiI")
_TIES_BEFORE: Final = frozenset("'-&._\\")
_TIES_BEHIND: Final = frozenset("+#'&-")
_NO_VARIABLES: Final = frozenset("aiurnkstdmowb")  # words, and abbreviations of words in chats


@dataclass(frozen=True, slots=True)
class Name:
    """A normalised name, and the words before and after it."""

    word: str
    before: str
    behind: str


@dataclass(frozen=True, slots=True)
class Letters:
    """The single letters that surely name something, and all that may."""

    sure: frozenset[str]
    all: frozenset[str]


def names_differ(asked: Question, stored: Question) -> bool:
    """Returns whether each text names something that the other does not mention, next to the same word or in otherwise
    alike texts.

    If only one text does, the verifier decides: `Trump` and `Donald Trump` are the same.
    """
    if _letters_differ(asked.once(_letters), stored.once(_letters)):
        return True
    ours, theirs = _missing(asked, stored), _missing(stored, asked)
    if not ours or not theirs:
        return False
    return are_alike(asked, stored) or not _slots(ours).isdisjoint(_slots(theirs))


def _letters_differ(ours: Letters, theirs: Letters) -> bool:
    only_ours, only_theirs = ours.all - theirs.all, theirs.all - ours.all
    return bool(only_ours and only_theirs) and not (only_ours | only_theirs).isdisjoint(ours.sure | theirs.sure)


def _missing(named: Question, other: Question) -> list[Name]:
    found = named.once(_names)
    if not found:
        return []
    known, beginnings = other.once(_known)
    return [
        name
        for name in found
        if name.word not in known
        and not (len(name.word) >= _KIN and name.word[:_KIN] in beginnings)  # India, Indian, Indians
        and name.word not in other.once(_initials)
    ]


def _slots(names: Iterable[Name]) -> set[tuple[str, str]]:
    found = [slot for name in names for slot in (("behind", name.before), ("before", name.behind))]
    return {slot for slot in found if slot[1]}


def _known(question: Question) -> tuple[frozenset[str], frozenset[str]]:
    """Returns all words, normalised, and their beginnings."""
    known = frozenset(map(_plain, question.words))
    return known, frozenset(word[:_KIN] for word in known)


def _initials(question: Question) -> frozenset[str]:
    """Returns what the capitalised words may be abbreviated to."""
    letters = "".join(word[0] for word in question.written if word[0].isupper()).lower()
    return frozenset(letters[at : at + size] for size in range(2, _LONGEST_INITIALS + 1) for at in range(len(letters)))


def _names(question: Question) -> tuple[Name, ...]:
    """Returns the capitalised words, except a sentence's first, which proves nothing; none if it is a headline."""
    if not any(word[0].isupper() and word not in _PRONOUNS for word in question.written[1:]):
        return ()
    words = list(WORD.finditer(question.once(moments).rest))
    capitalised = [at for at, word in enumerate(words) if word.group()[0].isupper()]
    if len(capitalised) > _MOST_NAMES * len(words) and _is_titled(words, len(capitalised)):
        return ()
    inner = [at for at in capitalised if not _begins_a_sentence(question.text, words, at)]
    return tuple(_named(question, words, inner))


def _is_titled(words: list[re.Match[str]], capitalised: int) -> bool:
    """Returns whether a text is capitalised like a headline."""
    matter = sum(word.group().lower().partition("'")[0] not in FUNCTION_WORDS for word in words)
    return capitalised > 0.7 * matter if len(words) > 7 else capitalised >= max(matter, 4)


def _named(question: Question, words: list[re.Match[str]], inner: list[int]) -> Iterator[Name]:
    for at in inner:
        written = words[at].group().lower().partition("'")[0]
        if (len(written) < 2 and written not in question.once(_letters).sure) or written in _NO_NAMES:
            continue
        if _counts(question, written, words[at].start()) or not (name := _plain(written)):
            continue
        before = words[at - 1].group().lower() if at else ""
        yield Name(name, before, words[at + 1].group().lower() if at + 1 < len(words) else "")


def _counts(question: Question, word: str, start: int) -> bool:
    """Returns whether a word is a number, spelt out or Roman."""
    if word in NUMBER_WORDS:
        return True
    return ROMAN_LETTERS.issuperset(word) and start in question.once(numbers).numerals


def _begins_a_sentence(text: str, words: list[re.Match[str]], at: int) -> bool:
    if not at:
        return True
    last = words[at - 1]
    between = text[last.end() : words[at].start()]
    if between.strip() == ".":  # Mr. Smith, St. Louis
        return not (last.group()[0].isupper() and len(last.group()) <= _SHORT)
    return not _SENTENCE_END.isdisjoint(between)


def _letters(question: Question) -> Letters:
    """Returns the single letters that name something: vitamin A, plan B, C:, solve for x."""
    text = question.text
    singles = {word for word in question.written if len(word) == 1}
    if not singles or (singles <= _PRONOUNS and question.vocabulary.isdisjoint(_LETTERED)):
        return Letters(frozenset(), frozenset())
    words = [word for word in WORD.finditer(text) if len(word.group()) == 1 or word.group().lower() in _LETTERED]
    found = [
        (word.group().lower(), _surely_names(text, word, words[at - 1] if at else None))
        for at, word in enumerate(words)
        if _stands_alone(text, word) and not _counts(question, word.group().lower(), word.start())
    ]
    sure = frozenset(letter for letter, is_sure in found if is_sure)
    return Letters(sure, sure | {letter for letter, _ in found if letter not in _PRONOUNS})


def _stands_alone(text: str, letter: re.Match[str]) -> bool:
    """Returns whether a single letter is not part of C++, T-shirt, U.S. or AT&T, nor an initial: George W. Bush."""
    start, end = letter.span()
    if end - start > 1 or not letter.group().isalpha() or text[start - 1 : start] in _TIES_BEFORE:
        return False
    if text[end : end + 1] == ".":
        return not text[end + 1 : end + 3].strip()
    return text[end : end + 1] not in _TIES_BEHIND


def _surely_names(text: str, letter: re.Match[str], before: re.Match[str] | None) -> bool:
    """Returns whether a letter surely names something: it follows a word that letters distinguish, is a capital, or is
    not written for a word in chats.
    """
    if before is not None and len(before.group()) > 1 and not text[before.end() : letter.start()].strip(" :-"):
        return True
    written = letter.group()
    if written.isupper():
        return written not in "AI"
    return written not in _NO_VARIABLES and (written.isascii() or "\u03b1" <= written <= "\u03c9")


@lru_cache(maxsize=4096)
def _plain(word: str) -> str:
    bare = word.partition("'")[0]
    return _ALIASES.get(bare, stem(bare))
