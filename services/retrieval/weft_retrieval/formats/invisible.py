"""Invisible characters: a word that contains one must be found all the same."""

import re

# Soft hyphens, joiners of words, marks of direction and byte order. A zero-width space parts words where no other space
# does (Thai, Khmer, Tibetan, Chinese); inside of other words it is a place to break the line.
_INVISIBLE = re.compile(
    "[\u00ad\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff]"
    "|(?<=[\\w./_-])(?<![\u0e00-\u0fff\u1000-\u109f\u1780-\u17ff\u3000-\u9fff])\u200b"
    "(?![\u0e00-\u0fff\u1000-\u109f\u1780-\u17ff\u3000-\u9fff])"
)


def visible(text: str) -> str:
    """Returns a text without invisible characters."""
    return _INVISIBLE.sub("", text)
