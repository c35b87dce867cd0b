"""The languages in which words are stemmed: a document's own, given or detected, and those of a query."""

from collections.abc import Mapping
from typing import Final

import Stemmer  # type: ignore[import-not-found]  # PyStemmer ships no types

from weft_kit.languages import ENGLISH, language_of, log_likelihoods

SIMPLE: Final = "simple"
"""Leaves words as they are."""
DETECTED: Final = "detected"
"""Stands for each document's own language."""
LANGUAGES: Final = frozenset({SIMPLE, *Stemmer.algorithms()})
"""The languages with a stemmer."""

_NAMES: Final[Mapping[str, str]] = {
    "ar": "arabic", "ca": "catalan", "cs": "czech", "da": "danish", "de": "german", "el": "greek", ENGLISH: "english",
    "eo": "esperanto", "es": "spanish", "et": "estonian", "eu": "basque", "fa": "persian", "fi": "finnish",
    "fr": "french", "ga": "irish", "hi": "hindi", "hu": "hungarian", "hy": "armenian", "id": "indonesian",
    "it": "italian", "lt": "lithuanian", "nb": "norwegian", "ne": "nepali", "nl": "dutch", "no": "norwegian",
    "pcm": "english", "pl": "polish", "pt": "portuguese", "ro": "romanian", "ru": "russian", "sr": "serbian",
    "st": "sesotho", "sv": "swedish", "ta": "tamil", "tr": "turkish", "yi": "yiddish",
}  # fmt: skip
"""The languages that have a stemmer, by their codes."""

_SAMPLE: Final = 512
"""Characters of a document that language detection reads."""
_LEAD_OVER_ENGLISH: Final = 12.0
"""How far, in log-likelihood, another language must be ahead of English. Some documents are names, codes and dates,
which look like any language; a sentence of another language is nearly always further ahead."""
_LEAD_OVER_STEMMED: Final = 10.0
"""How far a language without a stemmer must be ahead of all that have one. A few Russian words look Bulgarian or
Macedonian, by up to this; words of those do by more."""

_ASKED: Final = 8
"""A query is analysed in this many of a collection's languages, the most common ones, and in its own."""
_OTHER: Final = 0.25
"""Weight of a term that occurs only in a language other than the query's."""
_RARE: Final = 0.5
"""Lowest weight of such a term where the query's language cannot be detected; higher if the language is common."""


def language_problem(name: str) -> str:
    """Returns what is wrong with the name of a language; "" if nothing is."""
    if name in LANGUAGES or name == DETECTED:
        return ""
    if meant := _NAMES.get(name.lower(), name.lower() if name.lower() in LANGUAGES else ""):
        return f"must be written {meant}"
    return f"must be {DETECTED} or one of {', '.join(sorted(LANGUAGES))}"


def detected(text: str) -> str:
    """Returns the language in which a document is stemmed: the most likely one, or "simple" if that has no stemmer."""
    sample = _sample(text)
    if not any(map(str.isalpha, sample)):
        return SIMPLE
    scores = log_likelihoods(sample)
    likeliest = max(scores, key=lambda code: (scores[code], code))
    if scores[likeliest] - scores[ENGLISH] < _LEAD_OVER_ENGLISH:
        return _NAMES[ENGLISH]
    nearest = max(_NAMES.keys() & scores.keys(), key=lambda code: (scores[code], code))
    return _NAMES[nearest] if scores[likeliest] - scores[nearest] < _LEAD_OVER_STEMMED else SIMPLE


def settled(language: str, text: str) -> str:
    """Returns the stemming for a text, given what is requested: a language, or "detected"."""
    return detected(text) if language == DETECTED else language


def asked_in(query: str, held: Mapping[str, int]) -> dict[str, float]:
    """Returns the languages of a query, and the weight of terms in each, given a collection's chunks by language.

    Two words rarely tell their language, and a whole question does: its own language counts fully then.
    """
    if len(held) < 2:
        return dict.fromkeys(held, 1.0)
    common = sorted(held, key=lambda language: (-held[language], language))[:_ASKED]
    own = _own(query, held)
    if own:
        return {**dict.fromkeys(common, _OTHER), own: 1.0}
    return {language: max(_RARE, held[language] / held[common[0]]) for language in common}


def _own(query: str, held: Mapping[str, int]) -> str | None:
    code = language_of(query)
    own = _NAMES.get(code, SIMPLE) if code else None
    return own if own in held else None


def _sample(text: str) -> str:
    """Returns a text's beginning, middle and end: it may begin with a menu or a licence."""
    if len(text) <= _SAMPLE:
        return text
    part = _SAMPLE // 3
    middle = (len(text) - part) // 2
    return " ".join((text[:part], text[middle : middle + part], text[-part:]))
