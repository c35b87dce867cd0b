"""Reads numbers in figures, words or Roman numerals, each with its scale and unit."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from weft_cache.guards.forms import stem
from weft_cache.guards.moments import moments
from weft_cache.guards.number_words import (
    CARDINALS,
    MONEY_SCALES,
    MULTIPLES,
    NUMBER_WORDS,
    ORDINALS,
    PARTS,
    SCALES,
)
from weft_cache.guards.roman import ROMAN_LETTERS, is_numeral, may_be_roman, roman_value
from weft_cache.guards.units import CURRENCIES, unit
from weft_cache.guards.words import FUNCTION_WORDS, Question

_TOKEN: Final = re.compile(r"\d+(?:[.,]\d+)*|[^\W\d_]+|[^\w\s]|_")
_ORDINAL_ENDINGS: Final = frozenset({"st", "nd", "rd", "th"})
_MOST_DIGITS: Final = 40
_TOUCHING: Final = frozenset({"x", "s", "m", "ms", "l", "h", "w", "d", "px"})


@dataclass(frozen=True, slots=True)
class Amount:
    """A number as written, its unit's dimension ("" without a unit), its value in that dimension, and the words around
    it.
    """

    raw: float | str
    dimension: str
    value: float | str
    before: str
    behind: str

    @property
    def key(self) -> tuple[str, float | str]:
        return self.dimension, self.value


@dataclass(frozen=True, slots=True)
class Numbers:
    """The amounts in a text, and the positions of its Roman numerals."""

    amounts: tuple[Amount, ...]
    numerals: frozenset[int]


def numbers(question: Question) -> Numbers:
    """Returns the numbers in a text, without its times and dates."""
    if not _may_count(question):
        return Numbers((), frozenset())
    text = question.once(moments).rest
    reader = _Reader([(found.group(), found.start(), found.end()) for found in _TOKEN.finditer(text)])
    return Numbers(tuple(reader.amounts()), frozenset(reader.numerals))


def _may_count(question: Question) -> bool:
    if question.has_figures or not question.vocabulary.isdisjoint(NUMBER_WORDS):
        return True
    if any(word != "i" and ROMAN_LETTERS.issuperset(word) for word in question.vocabulary):
        return True
    words = question.words  # an I after a content word may be a numeral
    return "i" in words and any(word == "i" and before not in FUNCTION_WORDS for before, word in pairwise(words))


class _Reader:
    """Reads tokens from left to right; each is its text, start and end."""

    def __init__(self, tokens: Sequence[tuple[str, int, int]]) -> None:
        self._tokens = tokens
        self._lower = [text.lower() for text, _, _ in tokens]
        self.numerals: list[int] = []

    def amounts(self) -> Iterable[Amount]:
        at = 0
        while at < len(self._tokens):
            read = self._figure(at) or self._spelt(at) or self._roman(at)
            if read:
                number, end = read
                amount, at = self._measured(number, at, end)
                yield amount
            else:
                at += 1

    def _word(self, at: int) -> str:
        return self._lower[at] if 0 <= at < len(self._lower) else ""

    def _touches(self, at: int) -> bool:
        """Returns whether a token follows the one before without a space."""
        return 0 < at < len(self._tokens) and self._tokens[at - 1][2] == self._tokens[at][1]

    def _figure(self, at: int) -> tuple[float | str, int] | None:
        word = self._word(at)
        if not word[0].isdecimal() or self._is_code(at):
            return None
        end = at + 1
        if self._word(end) in _ORDINAL_ENDINGS and self._touches(end):
            return _value(word), end + 1
        if self._word(end) in {"/", "-", "\u2044"} and self._touches(end) and self._touches(end + 1):
            of = self._word(end + 1)
            if self._word(end) != "-" and _is_fraction(word, of) and not self._goes_on(end + 2):
                return int(word) / int(of), end + 2
        if self._word(at - 1) in {"/", "-"} and self._touches(at) and self._touches(at - 1):
            before = self._word(at - 2)
            if len(before) == 4 and len(word) == 2 and (before + word).isdecimal():  # 2016-17
                return int(before[:2] + word), end
        value = _value(word)
        if isinstance(value, str) or not self._is_negative(at):
            return value, end
        return -value, end

    def _goes_on(self, at: int) -> bool:
        """Returns whether the token continues a date or code: 3/4/2020."""
        return self._touches(at) and (self._word(at).isalnum() or self._word(at) in {"/", "-"})

    def _is_code(self, at: int) -> bool:
        """Returns whether letters that are not a unit touch the figures: AB-1234, E404, 2pac."""
        before = self._word(at - 1)
        if self._touches(at) and (before.isalpha() or before == "_") and before not in CURRENCIES:
            return True
        if before == "-" and self._touches(at) and self._touches(at - 1) and self._word(at - 2).isalpha():
            return True
        behind = self._word(at + 1)
        return self._touches(at + 1) and behind.isalpha() and not _may_follow(behind)

    def _is_negative(self, at: int) -> bool:
        before = self._word(at - 1)
        if before in {"-", "\u2212", "\u2013"}:
            return self._touches(at) and not self._touches(at - 1)
        return before in {"minus", "negative"} and not self._may_subtract(at - 2)

    def _may_subtract(self, at: int) -> bool:
        """Returns whether the token is a number, so that a `minus` after it subtracts."""
        return self._word(at)[:1].isdecimal() or self._word(at) in CARDINALS

    def _spelt(self, at: int) -> tuple[float | str, int] | None:
        word, following = self._word(at), self._word(at + 1)
        if word in MULTIPLES:
            return MULTIPLES[word], at + 1
        if word == "half":
            return (0.5, at + 2 if following in {"a", "an"} else at + 1) if self._halves(at + 1) else None
        if word in {"a", "an"}:
            return self._of_one(at, following)
        if word in ORDINALS:
            return None if word == "second" and self._is_time(at) else (ORDINALS[word], at + 1)
        return self._cardinal(at)

    def _cardinal(self, at: int) -> tuple[float, int] | None:
        is_negative = self._word(at) in {"minus", "negative"}
        start = at + 1 if is_negative else at
        word = self._word(start)
        is_negative = is_negative and not self._may_subtract(at - 1)
        if word not in CARDINALS or (word == "one" and not self._counts(start + 1)):
            return None
        number, end = self._compound(start)
        if self._word(end) in PARTS:
            return number * PARTS[self._word(end)], end + 1
        return -number if is_negative else number, end

    def _of_one(self, at: int, following: str) -> tuple[float | str, int] | None:
        """Reads a number that begins with an article: a dozen, a hundred, a third of."""
        if following in SCALES and following != "k":
            return 1, at + 1
        if following in PARTS and self._word(at + 2) == "of":
            return PARTS[following], at + 2
        return None

    def _halves(self, at: int) -> bool:
        return self._word(at) in {"a", "an", "of", "the"} or unit(self._word(at)) is not None

    def _counts(self, at: int) -> bool:
        return unit(self._word(at)) is not None or self._word(at) in SCALES or self._word(at) in PARTS

    def _is_time(self, at: int) -> bool:
        before = self._word(at - 1)
        return before in {"a", "per", "each", "every", "split", "one"} or before.isdecimal()

    def _compound(self, at: int) -> tuple[int, int]:
        """Returns a number of several words and where it ends: twenty-five, one hundred and five, twenty-first."""
        number, at = self._below_hundred(at)
        if self._word(at) != "hundred" or not number:
            return number, at
        number, at = number * 100, at + 1
        step = at + 1 if self._word(at) == "and" else at
        if self._word(step) in CARDINALS:
            rest, at = self._below_hundred(step)
            return number + rest, at
        if self._word(step) in ORDINALS:
            return number + ORDINALS[self._word(step)], step + 1
        return number, at

    def _below_hundred(self, at: int) -> tuple[int, int]:
        number, at = CARDINALS[self._word(at)], at + 1
        step = at + 1 if self._word(at) == "-" else at
        small = CARDINALS.get(self._word(step)) or ORDINALS.get(self._word(step), 0)
        if number >= 20 and 0 < small < 10:
            return number + small, step + 1
        return number, at

    def _roman(self, at: int) -> tuple[float | str, int] | None:
        word, before = self._word(at), self._word(at - 1)
        if not word or not may_be_roman(word) or not before.isalpha() or before in FUNCTION_WORDS or self._touches(at):
            return None
        if self._touches(at + 1) and self._word(at + 1) in {"'", "."} and word == "i":
            return None  # I'm; the initial I.
        written, written_before = self._tokens[at][0], self._tokens[at - 1][0]
        if not is_numeral(written, written_before, self._word(at + 1)):
            return None
        self.numerals.append(self._tokens[at][1])
        return roman_value(word), at + 1

    def _measured(self, number: float | str, start: int, end: int) -> tuple[Amount, int]:
        """Returns the number's amount, with the scale and the unit around it, and where it ends."""
        currency = CURRENCIES.get(self._word(start - 1)) or (
            CURRENCIES.get(self._word(start - 2)) if self._word(start - 1) == "." else None
        )
        while not isinstance(number, str) and (scale := self._scale(end, currency)):
            number, end = number * scale, end + 1
        if self._lower[end : end + 3] == ["and", "a", "half"] and not isinstance(number, str):
            number, end = number + 0.5, end + 3
        dimension, factor, after = self._unit(end)
        value = number if isinstance(number, str) else _rounded(number * factor)
        raw = number if isinstance(number, str) else _rounded(number)
        amount = Amount(raw, currency or dimension, value, self._neighbour(start - 1, -1), self._neighbour(end, 1))
        return amount, max(end, after)

    def _scale(self, at: int, currency: str | None) -> int:
        word = self._word(at)
        if word == "-":
            word = self._word(at + 1)
        if word in SCALES:
            return SCALES[word] if self._word(at) != "-" else 0
        return MONEY_SCALES.get(word, 0) if currency and self._touches(at) else 0

    def _unit(self, at: int) -> tuple[str, float, int]:
        """Returns a unit's dimension, its size in that dimension and where it ends; "" and 1 if there is no unit."""
        if self._word(at) in {"-", "\u00b0"} or self._word(at) in {"degree", "degrees"}:
            at += 1
        word = self._word(at)
        if word == "per" and self._word(at + 1) == "cent":
            return "percent", 1.0, at + 2
        if word in {"c", "f"} and self._word(at - 1) in {"\u00b0", "degree", "degrees"}:
            return ("celsius" if word == "c" else "fahrenheit"), 1.0, at + 1
        found = unit(word)
        return (*found, at + 1) if found else ("", 1.0, at)

    def _neighbour(self, at: int, step: int) -> str:
        while 0 <= at < len(self._lower) and not self._lower[at].isalnum():
            at += step
        word = self._word(at)
        return stem(word) if word.isalpha() else ""


def _may_follow(word: str) -> bool:
    """Returns whether letters that touch a number belong to it."""
    return word in _ORDINAL_ENDINGS or word in SCALES or word in MONEY_SCALES or word in _TOUCHING or bool(unit(word))


def _value(written: str) -> float | str:
    """Returns a number's value, or its text if that matters: 1,000 equals 1000.0, but version 3.10 is not 3.1."""
    whole = re.sub(r"\.0+$", "", written) if written.count(".") == 1 else written
    if re.fullmatch(r"\d{1,3}(?:,\d{2,3})*(?:\.\d+)?", whole):
        whole = whole.replace(",", "")
    if len(whole) > _MOST_DIGITS or (len(whole) > 1 and whole.startswith("0") and whole.isdecimal()):
        return written
    if whole.isdecimal():
        return int(whole)
    return written if whole.endswith("0") or not re.fullmatch(r"\d+\.\d+", whole) else float(whole)


def _is_fraction(part: str, of: str) -> bool:
    return part.isdecimal() and of.isdecimal() and len(part) <= len(of) <= 2 and 0 < int(part) < int(of)


def _rounded(number: float) -> float:
    return float(f"{number:.9g}") if isinstance(number, float) else number
