"""From text to terms as the first analysis made them, for chunks that are not analysed again yet."""

import re
import unicodedata
from collections import Counter
from typing import Final

import Stemmer  # type: ignore[import-not-found]  # PyStemmer ships no types

from weft_retrieval.analysis.analysis import stop_words
from weft_retrieval.analysis.languages import SIMPLE

FORMER: Final = 1
"""The version of the analysis whose terms these are."""

_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]|[^\W_]+(?:['\u2019.][^\W_]+)*")
_POSSESSIVE = re.compile(r"['\u2019]s$")
_MAX_LENGTH = 64


def former_terms(language: str, text: str) -> Counter[str]:
    """Returns the terms of a text; their number is its length."""
    stops = stop_words(language)
    folded = unicodedata.normalize("NFKC", text).casefold()
    words = (_POSSESSIVE.sub("", word) for word in _WORD.findall(folded))
    kept = [word for word in words if word not in stops and len(word) <= _MAX_LENGTH]
    return Counter(kept if language == SIMPLE else Stemmer.Stemmer(language).stemWords(kept))
