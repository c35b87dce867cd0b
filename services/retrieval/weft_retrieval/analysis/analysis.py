"""From text to index terms: words in all their spellings, stemmed the same way for documents and queries."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Final

import Stemmer  # type: ignore[import-not-found]  # PyStemmer ships no types
from pydantic import Field

from weft_retrieval.analysis.characters import legible
from weft_retrieval.analysis.languages import SIMPLE
from weft_retrieval.analysis.tokenization import (
    MAX_TERM,
    Expander,
    Runs,
    Weighed,
    plain_word,
    runs,
    tokens,
    weighed_runs,
)

ANALYSIS: Final = 3
"""Changes whenever the terms of any text change. Chunks stored under another value are analysed again."""

# Lucene's list: words so common that they carry no meaning, and that no question could be about.
_ENGLISH_STOPS = frozenset(
    {
        "a", "an", "and", "are", "as", "at", "be", "but", "by", "for", "if", "in", "into", "is", "it", "no",
        "not", "of", "on", "or", "such", "that", "the", "their", "then", "there", "these", "they", "this", "to",
        "was", "will", "with",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class AnalysedTerms:
    """What a text is found by: each term with its count, and the number of words, however many terms each has."""

    counts: Counter[str]
    length: Annotated[int, Field(ge=0, lt=2**31)]


def stop_words(language: str) -> frozenset[str]:
    return _ENGLISH_STOPS if language == "english" else frozenset()


@cache
def analyzer(language: str) -> Callable[[str], AnalysedTerms]:
    """Returns the function that turns a document's text into terms, for one of LANGUAGES."""

    def analyze(text: str) -> AnalysedTerms:
        plain, others = _tokens(language, text, runs)
        counts = Counter(plain)
        length = sum(plain.values())
        for weighed, words, times in others:
            length += words * times
            for term, _ in weighed:
                counts[term] += times
        return AnalysedTerms(counts, length)

    return analyze


def query_terms(language: str, text: str) -> dict[str, float]:
    """Returns a query's terms, and the weight of each."""
    plain, others = _tokens(language, text, weighed_runs)
    wanted: dict[str, float] = dict(plain)
    for weighed, _, times in others:
        for term, weight in weighed:
            wanted[term] = wanted.get(term, 0.0) + weight * times
    return wanted


def _tokens(language: str, text: str, of_signs: Runs) -> tuple[dict[str, int], list[tuple[list[Weighed], int, int]]]:
    """Returns the terms that are one word each, with their counts, and the other tokens: their terms, how many words
    they count as, and how often they occur.
    """
    stops = stop_words(language)
    # A separate stemmer for each text: one must not be shared between threads.
    stemmer = None if language == SIMPLE else Stemmer.Stemmer(language)
    expander = Expander(stemmer.stemWord if stemmer else str, stops, of_signs, is_arabic=language == "arabic")
    words: dict[str, int] = {}
    others = []
    # Most words occur more than once, which is quick to detect.
    for written, times in Counter(legible(text).split()).items():
        if word := plain_word(written):
            if word not in stops and len(word) <= MAX_TERM:
                words[word] = words.get(word, 0) + times
        else:
            others += [(*expander.expand(token), times) for token in tokens(written)]
    plain: dict[str, int] = {}
    for term, times in zip(stemmer.stemWords(list(words)) if stemmer else words, words.values(), strict=True):
        plain[term] = plain.get(term, 0) + times
    return plain, others
