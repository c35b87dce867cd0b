"""Tells which language a text is in, by py3langid's model and by words that only English has.

The model knows 139 languages by their byte sequences. It is often unsure about short English texts, so function words
that no other language has count for English as well. Measurements: docs/cache.md.
"""

import re
from collections.abc import Collection, Mapping
from functools import cache
from typing import Final

from py3langid.langid import MODEL_FILE, LanguageIdentifier

ENGLISH: Final = "en"

_READ_CHARACTERS: Final = 512
"""How much of a text is read; more would not change the answer, and take longer."""
_LEAST_LEAD: Final = 1.0
"""How far ahead of the next one, in log-probability, the likeliest language must be to be named."""
_ENGLISH_LEADS: Final = (-2.0, -5.0, -10.0)
"""The same for English, with none, one, and two or more of its own words in the text; negative: it may be behind."""
_DOUBT: Final = 4.0
"""How much further behind a part must be to be clearly in another language."""
_LEAST_WORDS: Final = 3
"""The language of a part with fewer words is not judged: names, titles, the word that is asked about."""
_PARTS_CHARACTERS: Final = 2_000
_VARIANTS: Final[Mapping[str, str]] = {"yue": "zh", "wuu": "zh", "arz": "ar", "ary": "ar", "nn": "no", "uzs": "uz"}
"""Languages that the model tells apart, but that count as one here."""
_NO_LANGUAGE: Final = "zxx"
"""The model's name for numbers, markup and noise."""

_WORD: Final = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)?")
_BORDER: Final = re.compile(
    r"""[.!?:;\n()\[\]{}<>"|\u00ab\u00bb\u2013\u2014\u201c-\u201f]+|(?<!\w)['\u2018\u2019]|['\u2019](?!\w)"""
)
"""What separates sentences, quotations and brackets."""
_ENGLISH_FUNCTION_WORDS: Final = """
    about after also and another any anyone anything are because been before being between both but can can't
    could did didn't do does doesn't doing don't each every everything from get has haven't having he'd he's
    here's his how how's i'd i'll i'm i've if into isn't it it's its just know let's like make many more most
    much my need not of off only or other out should since some someone something than that that's the their
    them there there's these they they're this those through to until wasn't we'd we're were what what's when
    where where's which while who's whose why with without won't would wouldn't you you'd you'll you're you've
    your
"""
"""Function words and some verbs, without those that exist in other languages, such as `in`, `was` and `me`."""
_ENGLISH_WORDS: Final = frozenset(_ENGLISH_FUNCTION_WORDS.split())


def language_of(text: str) -> str | None:
    """Returns the code of the language at the beginning of a text; None if that is not clear.

    Codes are ISO 639-1, or ISO 639-3 for languages that have none there.
    """
    read = text[:_READ_CHARACTERS]
    if not _WORD.search(read):
        return None
    scores = log_likelihoods(read)
    if _lead(scores, {ENGLISH}) >= _needed_lead(read):
        return ENGLISH
    likeliest, second = sorted(scores, key=lambda code: -scores[code])[:2]
    is_told = scores[likeliest] - scores[second] >= _LEAST_LEAD
    return likeliest if is_told and likeliest not in {_NO_LANGUAGE, ENGLISH} else None


def is_all_in(text: str, languages: Collection[str]) -> bool:
    """Returns whether a text is in one of `languages`, with no sentence or quotation at its start in another."""
    if language_of(text) not in languages:
        return False
    parts = _BORDER.split(text[:_PARTS_CHARACTERS])
    return not any(_is_clearly_other(part, languages) for part in parts if len(part) + 2 < len(text))


def log_likelihoods(text: str) -> dict[str, float]:
    """Returns how likely the beginning of a text is in each language, as logarithms to compare with each other."""
    scores: dict[str, float] = {}
    for code, score in _identifier().rank(text[:_READ_CHARACTERS]):
        scores.setdefault(_VARIANTS.get(code, code), score)
    return scores


def _is_clearly_other(part: str, languages: Collection[str]) -> bool:
    read = part[:_READ_CHARACTERS]
    if len(_WORD.findall(read)) < _LEAST_WORDS:
        return False
    return _lead(log_likelihoods(read), languages) < _needed_lead(read) - _DOUBT


def _lead(scores: Mapping[str, float], languages: Collection[str]) -> float:
    """Returns how far the likeliest of `languages` is ahead of all other languages."""
    of_these = max(score for code, score in scores.items() if code in languages)
    return of_these - max(score for code, score in scores.items() if code not in languages)


def _needed_lead(text: str) -> float:
    found = _ENGLISH_WORDS.intersection(_WORD.findall(text.lower().replace("\u2019", "'")))
    return _ENGLISH_LEADS[min(len(found), 2)]


def known() -> frozenset[str]:
    """Returns the codes that `language_of` may return. Loads the model, which takes about a second and 80 MB."""
    return frozenset(_VARIANTS.get(code, code) for code in _identifier().labels) - {_NO_LANGUAGE}


@cache
def _identifier() -> LanguageIdentifier:
    return LanguageIdentifier.from_model_file(MODEL_FILE)
