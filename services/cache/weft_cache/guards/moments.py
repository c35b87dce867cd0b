"""Guard for times of day and dates, however they are written: 17:00 is 5 pm, and 2024-05-01 is May 1st, 2024."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from weft_cache.guards.number_words import CARDINALS
from weft_cache.guards.words import Question

_MONTHS: Final = {
    name: number
    for number, names in enumerate(
        (
            "january jan",
            "february feb",
            "march mar",
            "april apr",
            "may",
            "june jun",
            "july jul",
            "august aug",
            "september sept sep",
            "october oct",
            "november nov",
            "december dec",
        ),
        1,
    )
    for name in names.split()
}
_HOURS: Final = {word: number for word, number in CARDINALS.items() if 1 <= number <= 12}
_MONTH: Final = "|".join(sorted(_MONTHS, key=len, reverse=True))
_HOUR: Final = rf"\d{{1,2}}|{'|'.join(_HOURS)}"
_PART: Final = r"(?:\s*in\s+the\s+(?P<part{n}>morning|afternoon|evening)|\s*at\s+(?P<night{n}>night))?"
_CLOCK: Final = re.compile(
    rf"""
    (?<![\w.:/-])(?P<hour>{_HOUR})(?:[:.h](?P<minute>[0-5]\d))?\s*(?P<half>[ap])\.?\s?m\b
    | (?<![\w.:/-])(?P<digital>[01]?\d|2[0-4]):(?P<past>[0-5]\d)(?::[0-5]\d)?(?![\w:]){_PART.format(n=1)}
    | \b(?P<even>{_HOUR})\s*o\s?'?\s?clock\b{_PART.format(n=2)}
    | \b(?P<fraction>half|(?:a\s)?quarter)\s+(?P<side>past|to)\s+(?P<near>{_HOUR})\b{_PART.format(n=3)}
    | (?<![\w.:/-])(?P<bare>{_HOUR})\s+(?:in\s+the\s+(?P<part4>morning|afternoon|evening)|at\s+(?P<night4>night))\b
    | \b(?:12\s+)?(?P<name>noon|midday|midnight)\b
    """,
    re.VERBOSE | re.IGNORECASE,
)
_DATE: Final = re.compile(
    rf"""
    (?<![\w.:/-])(?P<year>\d{{4}})[-/.](?P<month>\d{{1,2}})[-/.](?P<day>\d{{1,2}})(?![\w/-])
    | (?<![\w.:/-])(?P<first>\d{{1,2}})[-/.](?P<second>\d{{1,2}})[-/.](?P<last>(?:\d\d)?\d\d)(?![\w/-])
    | \b(?P<named>{_MONTH})\b\.?\s+(?P<nth>\d{{1,2}})(?:st|nd|rd|th)?\b(?![:/-]?\d)(?:\s*,?\s*(?P<in>[12]\d{{3}})\b)?
    | (?<![\w.:/-])(?P<dth>\d{{1,2}})(?:st|nd|rd|th)?\s+(?:of\s+)?(?P<of>{_MONTH})\b(?:\s*,?\s*(?P<then>[12]\d{{3}})\b)?
    | \b(?P<whole>{_MONTH})\b\s*,?\s*(?:of\s+)?(?P<whose>[12]\d{{3}})\b
    """,
    re.VERBOSE | re.IGNORECASE,
)
_HALF_A_DAY: Final = 720
_MOST_DATES: Final = 50
_TIMES: Final = frozenset({"noon", "midday", "midnight", "clock", "o'clock", "oclock"})
_BESIDE_HOURS: Final = frozenset({"half", "quarter", "am", "pm", "m", "morning", "afternoon", "evening", "night"})
_MAY_BE_TIME: Final = re.compile(r"\d[:h.]\d|\d\s*[ap]\.?\s?m\b|\b(?:past|to)\s+\d|\d\s+(?:in|at)\s", re.IGNORECASE)
_MAY_BE_DATE: Final = re.compile(r"\d[-/.]\d")


@dataclass(frozen=True, slots=True)
class Date:
    """The parts of a date that are given. In 05/06/2024 it is ambiguous which number is the month."""

    year: int | None
    month: int
    day: int | None
    is_ambiguous: bool = False

    def may_be(self, other: "Date") -> bool:
        """Returns whether both may mean the same day, in the parts that both give."""
        if self.year and other.year and self.year % 100 != other.year % 100:
            return False
        if self.is_ambiguous != other.is_ambiguous:
            return {self.month, self.day} == {other.month, other.day}
        return self.month == other.month and (not self.day or not other.day or self.day == other.day)


@dataclass(frozen=True, slots=True)
class Moments:
    """A text's times in minutes since midnight, those that may be twelve hours later, its dates, and the rest of it."""

    clocks: frozenset[int]
    either_half: frozenset[int]
    dates: tuple[Date, ...]
    rest: str


def moments(question: Question) -> Moments:
    """Returns the times and dates of a text."""
    text, dates = question.text, tuple[Date, ...]()
    clocks = either = frozenset[int]()
    if question.has_figures and (_MAY_BE_DATE.search(text) or not _MONTHS.keys().isdisjoint(question.words)):
        dates = tuple(dict.fromkeys(filter(None, map(_date, _DATE.finditer(text)))))
        text = _DATE.sub(lambda match: _blank(match) if _date(match) else match.group(), text)
    if _may_tell_time(question):
        found = [_minutes(match) for match in _CLOCK.finditer(text)]
        clocks = frozenset(minutes for minutes, _ in found)
        either = frozenset(minutes for minutes, is_open in found if is_open)
        text = _CLOCK.sub(_blank, text)
    return Moments(clocks, either, dates, text)


def _may_tell_time(question: Question) -> bool:
    if not question.vocabulary.isdisjoint(_TIMES):
        return True
    if question.has_figures and _MAY_BE_TIME.search(question.text):
        return True
    return not question.vocabulary.isdisjoint(_BESIDE_HOURS) and not _HOURS.keys().isdisjoint(question.words)


def moments_differ(asked: Question, stored: Question) -> bool:
    """Returns whether each text gives a time, or each a date, that matches none of the other's."""
    ours, theirs = asked.once(moments), stored.once(moments)
    return _clocks_differ(ours, theirs) or _dates_differ(ours.dates, theirs.dates)


def _clocks_differ(ours: Moments, theirs: Moments) -> bool:
    return _has_other_clock(ours, theirs) and _has_other_clock(theirs, ours)


def _has_other_clock(ours: Moments, theirs: Moments) -> bool:
    known = {minutes % _HALF_A_DAY for minutes in theirs.clocks}
    open_to_both = {minutes % _HALF_A_DAY for minutes in theirs.either_half}
    return any(
        minutes not in theirs.clocks
        and minutes % _HALF_A_DAY not in (known if minutes in ours.either_half else open_to_both)
        for minutes in ours.clocks
    )


def _dates_differ(ours: Iterable[Date], theirs: Iterable[Date]) -> bool:
    return _has_other_date(ours, theirs) and _has_other_date(theirs, ours)


def _has_other_date(ours: Iterable[Date], theirs: Iterable[Date]) -> bool:
    others = tuple(theirs)[:_MOST_DATES]
    return any(all(not date.may_be(other) for other in others) for date in tuple(ours)[:_MOST_DATES])


def _minutes(match: re.Match[str]) -> tuple[int, bool]:
    """Returns minutes since midnight, and whether it may be twelve hours later as well."""
    if match["name"]:
        return (0 if match["name"].lower() == "midnight" else _HALF_A_DAY), False
    if match["half"]:
        hour = _hour(match["hour"]) % 12 + 12 * (match["half"].lower() == "p")
        return hour * 60 + int(match["minute"] or 0), False
    if match["digital"]:
        minutes = int(match["digital"]) * 60 + int(match["past"])
        if match["digital"].startswith("0") or minutes >= 13 * 60:
            return minutes % (2 * _HALF_A_DAY), False
        return _in_part(minutes, match["part1"] or match["night1"])
    return _spoken(match)


def _spoken(match: re.Match[str]) -> tuple[int, bool]:
    """Reads times in words as `_minutes` does: half past five, seven o'clock, six in the morning."""
    if match["fraction"]:
        off = 30 if match["fraction"].lower() == "half" else 15
        minutes = _hour(match["near"]) * 60 + (off if match["side"].lower() == "past" else -off)
        return _in_part(minutes, match["part3"] or match["night3"])
    if match["even"]:
        return _in_part(_hour(match["even"]) * 60, match["part2"] or match["night2"])
    return _in_part(_hour(match["bare"]) * 60, match["part4"] or match["night4"])


def _in_part(minutes: int, part: str | None) -> tuple[int, bool]:
    if not part:
        return minutes % _HALF_A_DAY, True
    return minutes % _HALF_A_DAY + _HALF_A_DAY * (part.lower() != "morning"), False


def _hour(written: str) -> int:
    return _HOURS.get(written.lower()) or int(written)


def _date(match: re.Match[str]) -> Date | None:
    if match["year"]:
        return _sound(int(match["year"]), int(match["month"]), int(match["day"]))
    if match["first"]:
        return _of_three(int(match["first"]), int(match["second"]), int(match["last"]))
    if match["whole"]:
        return Date(int(match["whose"]), _MONTHS[match["whole"].lower()], None)
    month, day = match["named"] or match["of"], match["nth"] or match["dth"]
    year = match["in"] or match["then"]
    return _sound(int(year) if year else None, _MONTHS[month.lower()], int(day))


def _of_three(first: int, second: int, year: int) -> Date | None:
    if first > 12:
        return _sound(year, second, first)
    if second > 12:
        return _sound(year, first, second)
    date = _sound(year, first, second)
    return date and Date(year, first, second, is_ambiguous=first != second)


def _sound(year: int | None, month: int, day: int) -> Date | None:
    return Date(year, month, day) if 1 <= month <= 12 and 1 <= day <= 31 else None


def _blank(match: re.Match[str]) -> str:
    """Returns as many spaces, so that the text after it keeps its position."""
    return " " * len(match.group())
