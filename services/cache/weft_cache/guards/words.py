"""A question as guards read it: its words, in order, as written and levelled."""

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Self

_WORD: Final = re.compile(r"[^\W_]+(?:['\u2019][^\W_]+)*", re.UNICODE)
_CONTRACTED: Final = {
    "can't": ("can", "not"),
    "cannot": ("can", "not"),
    "won't": ("will", "not"),
    "shan't": ("shall", "not"),
    "what's": ("what", "is"),
    "who's": ("who", "is"),
    "where's": ("where", "is"),
    "how's": ("how", "is"),
    "it's": ("it", "is"),
    "i'm": ("i", "am"),
    "let's": ("let", "us"),
}
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
FUNCTION_WORDS: Final = frozenset(_FUNCTION_WORDS.split())
"""Words that carry grammar rather than matter. Prepositions are here: they give the words behind them a role."""


@dataclass(frozen=True, slots=True)
class Question:
    """The text, its words as written and the same in lower case with contractions spelt out."""

    text: str
    written: tuple[str, ...]
    words: tuple[str, ...]

    @classmethod
    def read(cls, text: str) -> Self:
        """Any text is a question; other scripts and accents are kept, look-alike forms made one."""
        level = unicodedata.normalize("NFKC", text).replace("\u2019", "'")
        written = tuple(_WORD.findall(level))
        return cls(level, written, tuple(part for word in written for part in _spelt_out(word.lower())))

    @property
    def vocabulary(self) -> frozenset[str]:
        return frozenset(self.words)

    @property
    def matter(self) -> tuple[str, ...]:
        """Stems of the words that carry meaning, in order."""
        return tuple(stem(word) for word in self.words if word not in FUNCTION_WORDS)


def _spelt_out(word: str) -> tuple[str, ...]:
    if word in _CONTRACTED:
        return _CONTRACTED[word]
    if word.endswith("n't"):
        return (word.removesuffix("n't"), "not")
    for ending in _ENDINGS:
        if word.endswith(ending):
            return (word.removesuffix(ending),)
    return (word,)


@lru_cache(maxsize=4096)
def stem(word: str) -> str:
    """A word without the commonest English endings; only good for telling whether two words are forms of one."""
    for ending, left in (("ies", "y"), ("sses", "ss"), ("ing", ""), ("ed", ""), ("es", "e"), ("s", "")):
        if word.endswith(ending) and len(word) - len(ending) >= 3 and not word.endswith("ss"):
            word = word.removesuffix(ending) + left
            break
    return word.removesuffix("e") if len(word) > 3 else word
