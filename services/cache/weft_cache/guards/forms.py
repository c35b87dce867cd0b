"""Forms of English words: regular endings and irregular forms."""

from collections.abc import Mapping
from functools import lru_cache
from importlib.resources import files
from typing import Final


def listed(words: str) -> frozenset[str]:
    """Returns the words of a text, separated by white space."""
    return frozenset(words.split())


def wordnet_lines(name: str) -> list[str]:
    """Returns the lines of a list derived from WordNet."""
    return (files("weft_cache.guards") / "wordnet" / name).read_text("utf-8").splitlines()


def _irregular() -> Mapping[str, str]:
    pairs = (line.split() for line in wordnet_lines("irregular.txt"))
    return dict(pairs) | {"women": "woman"}


IRREGULAR: Final = _irregular()
"""The base word of each irregular form."""


@lru_cache(maxsize=4096)
def stem(word: str) -> str:
    """Returns a word without the most common English endings; good only for comparing forms of one word."""
    word = IRREGULAR.get(word, word)
    for ending, left in (("ies", "y"), ("sses", "ss"), ("ing", ""), ("ied", "y"), ("ed", ""), ("es", "e"), ("s", "")):
        if word.endswith(ending) and len(word) - len(ending) >= 3 and not word.endswith("ss"):
            word = word.removesuffix(ending) + left
            break
    return word.removesuffix("e") if len(word) > 3 else word
