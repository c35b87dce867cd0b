"""Tokens, and all the terms that each is found by: as written, in its parts, and joined.

As Lucene's WordDelimiterGraphFilter does with preserveOriginal and catenateAll, and CJKAnalyzer with outputUnigrams:
`ERR-4031` is err4031, err and 4031. In a question the whole counts more than its parts. The weights were chosen with
SciFact and CACM in view: with whole and parts alike, both lose up to half a point of nDCG.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from itertools import chain, pairwise
from typing import Final

from weft_retrieval.analysis.characters import (
    IDEOGRAPHIC,
    LOWER,
    MARKS,
    PICTURES,
    UNSPACED,
    UPPER,
    WORD,
    without_accents,
)

MAX_TERM: Final = 255
"""Lucene's limit too. What is longer is a blob."""

# What a term counts in a question: a part of a word that has others, another form of a word, the article before a
# vowel, a letter or syllable of several that are a word together, two signs that are mostly an ending or a particle. A
# Han sign is as good as a word. The last two were chosen on one half of the questions of XQuAD, JaQuAD and STS-b.
_PART: Final = 0.5
_FORM: Final = 0.5
_ELIDED: Final = 0.25
_SIGN: Final = 0.1
_KANA: Final = 0.5
# A word of more parts is a checksum or the like, and they say nothing.
_MOST_PARTS = 8
_MAC_COLONS = 5
_PUNCTUATION: Final = ",;:!?()[]\"'\u00ab\u00bb\u201c\u201d\u201e\u00bf\u00a1\u060c\u061f\u0964"

_MAC_ADDRESS = re.compile(r"(?<![0-9A-Fa-f:])(?:[0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}(?![0-9A-Fa-f:])")
_TOKEN = re.compile(
    # A point belongs to the name after it (.NET, .env) where that begins.
    r"(?:(?<![^\s(\[\"'`])\.)?"
    rf"[{WORD}]+(?:(?:['`.\-/\\@&\u00b7\u2044]|_+|(?<=[0-9])[,:](?=[0-9])|(?<=[\u05d0-\u05ea])\"(?=[\u05d0-\u05ea]))"
    rf"[{WORD}]+)*(?:\+\+|\#(?![{WORD}]))?"
    rf"|[{IDEOGRAPHIC}]+|[{UNSPACED}][{UNSPACED}{MARKS}]*|{PICTURES}"
)
_ONE_WORD = re.compile(rf"[{UPPER}]?[{LOWER}]+|[{UPPER}]+")
_IDEOGRAPHS = re.compile(f"[{IDEOGRAPHIC}]")
_HIRAGANA: Final = frozenset(map(chr, range(0x3041, 0x3097)))
_SYLLABLES = re.compile(f"[{UNSPACED}]")
_SYLLABLE = re.compile(f".[{MARKS}]*")
_SEPARATOR = re.compile(r"[-/\\@&\u2044]|_+")
_JOINT = re.compile(r"['`\"\u00b7]|(?<![0-9])\.|\.(?![0-9])")
_APOSTROPHE = re.compile("['`]")
_DIGIT = re.compile("[0-9]")
_SIGNED = re.compile(r"(\.?)(.*?)(\+\+|#)?")
_NUMBER = re.compile(r"[0-9]+(?:[.,:][0-9]+)*")
_GROUPED = re.compile(r"[0-9]{1,3}([.,])[0-9]{3}(?:\1[0-9]{3})*")
_DECIMAL = re.compile(r"([0-9]{1,3}([.,])[0-9]{3}(?:\2[0-9]{3})*)(?!\2)[.,]([0-9]+)")
_INITIALS = re.compile(rf"[{UPPER}{LOWER}](?:\.[{UPPER}{LOWER}])+")
_LATIN = re.compile("[A-Za-z]")
_ENGLISH_ENDING = re.compile(r"(?<=..)'(?:s|ll|re|ve|d|m)$", re.IGNORECASE)
_INSEPARABLE = re.compile(r"\u00b7|n't$", re.IGNORECASE)
_ATOM = re.compile(
    rf"[{UPPER}]{{2,}}s(?![{LOWER}])|[{UPPER}]+(?![{LOWER}])|[{UPPER}]?[{LOWER}]+|[0-9]+(?:[.,:][0-9]+)*|."
)
_ARTICLE = re.compile("(?:[\u0648\u0628\u0643\u0641]?\u0627\u0644|\u0644\u0644)(?=.{3})")
_UMLAUTS = str.maketrans({"\u00e4": "ae", "\u00f6": "oe", "\u00fc": "ue", "\u00f8": "oe", "\u00e5": "aa"})

Weighed = tuple[str, float]
"""A term and its weight."""
Runs = Callable[[Sequence[str]], list[Weighed]]
"""Finds the terms of characters in a script without spaces."""


def tokens(written: str) -> list[str]:
    """Returns the tokens of a string without spaces."""
    if written.count(":") >= _MAC_COLONS:
        # As others write them; with fewer numbers between colons it is a time.
        written = _MAC_ADDRESS.sub(lambda address: address[0].replace(":", "-"), written)
    word = written.strip(_PUNCTUATION)
    # Most of what is left is a word of letters, and to look for more takes longer.
    return [word] if _ONE_WORD.fullmatch(word) else _TOKEN.findall(written)


def plain_word(written: str) -> str | None:
    """Returns the word that is all there is between two spaces but punctuation, in lower case; None for other things.

    A word of ASCII letters with no capital but the first, or all of them; or a number. Most of English is such words,
    and other words take longer.
    """
    if written.islower() and written.isalpha() and written.isascii():
        return written
    word = written.lstrip("([\"'").rstrip(".,;:!?)]\"'")
    if word.isascii() and (word.isdigit() or (word.isalpha() and (word.islower() or word.istitle() or word.isupper()))):
        return word.lower()
    return None


class Expander:
    """Finds the terms of tokens, with the stemmer and the stop words of one language.

    In Arabic words stand without their article; in other languages they have a form without it besides.
    """

    def __init__(self, stem: Callable[[str], str], stops: frozenset[str], runs: Runs, *, is_arabic: bool) -> None:
        self._stem = stem
        self._stops = stops
        self._runs = runs
        self._is_arabic = is_arabic

    def expand(self, token: str) -> tuple[list[Weighed], int]:
        """Returns all terms of a token of tokens(), and how many words it counts as."""
        if not token.isascii():
            if _IDEOGRAPHS.match(token):
                return self._runs(token), len(token)
            if _SYLLABLES.match(token):
                syllables = _SYLLABLE.findall(token)
                return self._runs(syllables), len(syllables)
        names = _SEPARATOR.split(token)
        if len(names) == 1:
            terms = self._name(token, 1.0)
            return terms, int(bool(terms))
        found = [self._name(name, _PART) for name in names]
        # Half of a number is no number: 1/2 stays apart from 12.
        is_fraction = "-" not in token and "_" not in token and all(map(_NUMBER.fullmatch, names))
        whole = self._whole(("/" if is_fraction else "").join(names), 1.0)
        return [*chain.from_iterable(found), *whole], sum(map(bool, found))

    def _name(self, name: str, weight: float) -> list[Weighed]:
        """Returns the terms of what no separator parts."""
        if _ONE_WORD.fullmatch(name):
            return self._forms(name, weight)
        if _NUMBER.fullmatch(name):
            numbers = name.split(":") if ":" in name else []
            return [
                *((number, weight) for number in _numbers(name)),
                *((number, weight * _PART) for part in numbers for number in _numbers(part)),
            ]
        if _INITIALS.fullmatch(name):
            return self._whole(name, weight)
        point, core, sign = _SIGNED.fullmatch(name).groups("")  # type: ignore[union-attr]  # it matches anything
        if sign == "#" and len(core) > 1:
            sign = ""
        if not point and not sign:
            return self._words(core, weight)
        signed = f"{point}{core}{sign}".casefold()
        # C++ is not found by C, nor the reverse.
        parts = self._words(core, weight * _PART) if len(core) > 1 else []
        return [(signed, weight), *parts] if len(signed) <= MAX_TERM else parts

    def _words(self, core: str, weight: float) -> list[Weighed]:
        """Returns the terms of one word, or of several that apostrophes or points join."""
        if "'" in core:
            core = _ENGLISH_ENDING.sub("", core)
        *before, last = _JOINT.split(core)
        if not before:
            return self._word(core, weight)
        terms = self._whole(core, weight)
        if not _LATIN.search(core) or _INSEPARABLE.search(core):
            return terms
        elided, main = (_ELIDED, 1.0) if _APOSTROPHE.search(core) else (_PART, _PART)
        for part, share in (*((part, elided) for part in before), (last, main)):
            if len(part) > 1:
                terms += self._word(part, weight * share)
        return terms

    def _whole(self, core: str, weight: float) -> list[Weighed]:
        """Returns the one term of parts that are joined."""
        return self._forms(_JOINT.sub("", core), weight)[:1]

    def _word(self, word: str, weight: float) -> list[Weighed]:
        """Returns the forms of a word, and of the parts that capitals and digits show."""
        terms = self._forms(word, weight)
        if not _ONE_WORD.fullmatch(word) and 1 < len(atoms := _ATOM.findall(word)) <= _MOST_PARTS:
            for atom in atoms:
                if len(atom) > 1 or atom.isdigit():
                    terms += self._forms(atom, weight * _PART)
        return terms

    def _forms(self, word: str, weight: float) -> list[Weighed]:
        """Returns a word as nearly everybody writes it, then as it is written here, each once."""
        lower = word.casefold()
        plain = without_accents(lower)
        if plain in self._stops or len(plain) > MAX_TERM:
            return []
        if word.isascii():
            return [(self._stemmed(plain), weight)]
        forms = {self._stemmed(plain): weight}
        if plain != lower and plain.isascii():
            forms.setdefault(self._stemmed(lower), weight * _FORM)
            forms.setdefault(self._stemmed(without_accents(lower.translate(_UMLAUTS))), weight * _FORM)
        elif article := _ARTICLE.match(plain):
            bare = plain[article.end() :]
            if self._is_arabic:
                # Its stemmer takes off some articles only, and leaves other endings to words that had one.
                return [(self._stemmed(bare), weight)]
            forms[bare] = weight * _FORM
        return list(forms.items())

    def _stemmed(self, word: str) -> str:
        return word if _DIGIT.search(word) else self._stem(word)


def runs(signs: Sequence[str]) -> list[Weighed]:
    """Returns characters of a script without spaces, singly and in pairs, as a document is stored."""
    if len(signs) == 1:
        return [(signs[0], 1.0)]
    return [(sign, 1.0) for sign in signs] + [(one + two, 1.0) for one, two in pairwise(signs)]


def weighed_runs(signs: Sequence[str]) -> list[Weighed]:
    """Returns the same with the weight of each in a question."""
    if len(signs) == 1:
        return [(signs[0], 1.0)]
    return [(sign, 1.0 if _is_han(sign) else _SIGN) for sign in signs] + [
        (one + two, _KANA if one in _HIRAGANA or two in _HIRAGANA else 1.0) for one, two in pairwise(signs)
    ]


def _is_han(sign: str) -> bool:
    return "\u3400" <= sign < "\ua000" or sign >= "\U00020000" or sign in "\u3005\u3007"


def _numbers(number: str) -> Iterator[str]:
    """Yields a number with a point for a comma; without the marks of its thousands when it seems to have some."""
    if decimal := _DECIMAL.fullmatch(number):
        number = f"{_digits(decimal[1])}.{decimal[3]}"
    if len(number) <= MAX_TERM:
        yield number.replace(",", ".")
        if _GROUPED.fullmatch(number):
            yield _digits(number)


def _digits(number: str) -> str:
    return number.replace(",", "").replace(".", "")
