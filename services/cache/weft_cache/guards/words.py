"""A question as the guards read it: its words in order, as written and normalised."""

import operator
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final, Self, TypeVar

from weft_cache.guards.forms import listed, stem

Read = TypeVar("Read")
Key = TypeVar("Key")
Said = TypeVar("Said")

WORD: Final = re.compile(r"[^\W_]+(?:['\u2019][^\W_]+)*")
_WORLD_WAR: Final = re.compile(r"\bww[ -]?(i{1,2}|[12])\b", re.IGNORECASE)
_FIGURE: Final = re.compile(r"\d")
# Readers do not see these, or see them as a stroke through the letter before; they do not separate words.
_UNSEEN: Final = re.compile(
    "[\u00ad\u034f\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff\u0334-\u0338]+"
)
_RAISED: Final = re.compile("[\u2070\u00b9\u00b2\u00b3\u2074-\u2079]+")  # 10² is not 102
_CONTRACTED: Final = {
    "can't": ("can", "not"),
    "cant": ("can", "not"),
    "aint": ("is", "not"),
    "whats": ("what", "is"),
    "cannot": ("can", "not"),
    "won't": ("will", "not"),
    "shan't": ("shall", "not"),
    "ain't": ("is", "not"),
    "what's": ("what", "is"),
    "who's": ("who", "is"),
    "where's": ("where", "is"),
    "how's": ("how", "is"),
    "it's": ("it", "is"),
    "i'm": ("i", "am"),
    "let's": ("let", "us"),
}
_AUXILIARIES: Final = listed("is are was were do does did has have had could should would must need")
_BARE_NEGATIONS: Final = frozenset(f"{verb}nt" for verb in _AUXILIARIES)
_ENDINGS: Final = ("'re", "'ve", "'ll", "'d", "'s")
_FUNCTION_WORDS: Final = """
    a an the this that these those i me my mine we us our you your he him his she her it its they them their
    am is are was were be been being do does did doing done have has had having can could will would shall should may
    might must and or nor but if then so as at by for from in into of off on onto out over to toward towards under up
    upon via with within without about above across after against along among around before behind below beneath
    beside between beyond during except inside near outside per since through throughout till until versus vs than
    what which who whom whose when where why how not no never please kindly tell explain know there here just also
    too very really any some get got go going let hi hello hey thanks thank
"""
FUNCTION_WORDS: Final = listed(_FUNCTION_WORDS)
"""Words of grammar rather than content. Prepositions are among them: they give the words after them a role."""
BE: Final = frozenset({"is", "are", "am", "was", "were", "be", "been", "being"})
_LONGEST_PART: Final = 3
MOST_REPLACED: Final = 2
"""Content words of each text that the other may lack while they still count as alike."""


@dataclass(frozen=True)
class Question:
    """A text, its words as written, and its words in lower case with contractions spelt out."""

    text: str
    written: tuple[str, ...]
    words: tuple[str, ...]
    _readings: dict[Callable[..., Any], Any] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def read(cls, text: str) -> Self:
        """Reads a text as a question; other scripts and accents are kept, look-alike forms are unified."""
        if not text.isascii():
            text = unicodedata.normalize("NFKC", _RAISED.sub(r"^\g<0>", text)).replace("\u2019", "'")
            text = _UNSEEN.sub("", text)
        text = _WORLD_WAR.sub(r"World War \1", text)
        written = tuple(WORD.findall(text))
        return cls(text, written, tuple(part for word in written for part in _spelt_out(word.lower())))

    def once(self, read: Callable[["Question"], Read]) -> Read:
        """Returns the result of `read` for this question, computed only once."""
        if read not in self._readings:
            self._readings[read] = read(self)
        return self._readings[read]  # type: ignore[no-any-return]

    @cached_property
    def has_figures(self) -> bool:
        return bool(_FIGURE.search(self.text))

    @cached_property
    def vocabulary(self) -> frozenset[str]:
        return frozenset(self.words)

    @cached_property
    def matter(self) -> tuple[str, ...]:
        """Stems of the content words, in order."""
        return tuple(stem(word) for word in self.words if word not in FUNCTION_WORDS)

    @cached_property
    def subjects(self) -> frozenset[str]:
        """Stems of the content words."""
        return frozenset(self.matter)


def are_alike(one: Question, other: Question) -> bool:
    """Returns whether each text has at most two content words that the other lacks."""
    return len(one.subjects - other.subjects) <= MOST_REPLACED and len(other.subjects - one.subjects) <= MOST_REPLACED


def disagree(
    ours: Mapping[Key, Said], theirs: Mapping[Key, Said], differ: Callable[[Said, Said], bool] = operator.ne
) -> bool:
    """Returns whether two texts say different things about something that both mention."""
    return any(differ(ours[key], theirs[key]) for key in ours.keys() & theirs.keys())


def leading_matter(words: Sequence[str], passed_over: AbstractSet[str]) -> frozenset[str]:
    """Returns stems of the first content words in a row; words in `passed_over` may come before them."""
    stems: list[str] = []
    for word in words:
        if word in FUNCTION_WORDS:
            if stems or word not in passed_over:
                break
        elif len(stems) < _LONGEST_PART:
            stems.append(stem(word))
    return frozenset(stems)


def _spelt_out(word: str) -> tuple[str, ...]:
    if word in _CONTRACTED:
        return _CONTRACTED[word]
    if word in _BARE_NEGATIONS:
        return (word.removesuffix("nt"), "not")
    if "'" not in word:
        return (word,)
    if word.endswith("n't"):
        return (word.removesuffix("n't"), "not")
    for ending in _ENDINGS:
        if word.endswith(ending):
            return (word.removesuffix(ending),)
    return (word,)
