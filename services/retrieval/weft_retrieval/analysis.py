"""Text to index terms: words, folded and stemmed the same way for documents and queries."""

import re
import unicodedata
from collections.abc import Callable
from functools import cache

import Stemmer  # type: ignore[import-not-found]  # PyStemmer ships no types

LANGUAGES = frozenset({"simple", *Stemmer.algorithms()})
"""What a collection can be stemmed as; "simple" leaves words as they are."""

# Scripts written without spaces become a term per character; a query for a word then finds its characters.
_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]|[^\W_]+(?:['\u2019.][^\W_]+)*")
_POSSESSIVE = re.compile(r"['\u2019]s$")
# Lucene's list: words so common that they say nothing, and none that a question could be about.
_ENGLISH_STOPS = frozenset(
    {
        "a", "an", "and", "are", "as", "at", "be", "but", "by", "for", "if", "in", "into", "is", "it", "no",
        "not", "of", "on", "or", "such", "that", "the", "their", "then", "there", "these", "they", "this", "to",
        "was", "will", "with",
    }
)  # fmt: skip
# Nobody searches for a longer one; it is a checksum or a blob.
_MAX_LENGTH = 64


@cache
def analyzer(language: str) -> Callable[[str], list[str]]:
    """Returns the function that turns text into terms, in order, for one of LANGUAGES."""
    stops = _ENGLISH_STOPS if language == "english" else frozenset()

    def analyze(text: str) -> list[str]:
        folded = unicodedata.normalize("NFKC", text).casefold()
        words = (_POSSESSIVE.sub("", word) for word in _WORD.findall(folded))
        kept = [word for word in words if word not in stops and len(word) <= _MAX_LENGTH]
        # A stemmer of its own for each text: one must not be shared between threads.
        return kept if language == "simple" else Stemmer.Stemmer(language).stemWords(kept)

    return analyze
