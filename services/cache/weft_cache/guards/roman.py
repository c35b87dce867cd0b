"""Roman numerals: whether a word looks like one, and whether it is one in its context."""

import re
from itertools import pairwise
from typing import Final

from weft_cache.guards.forms import listed

_NUMERAL: Final = re.compile(r"(?=[ivxl])(xl|l?x{0,3})(ix|iv|v?i{0,3})")
_VALUES: Final = {"i": 1, "v": 5, "x": 10, "l": 50}
ROMAN_LETTERS: Final = frozenset(_VALUES)
_NUMBERED: Final = listed("""
    war chapter part phase class stage level volume book act scene section article tier grade type appendix title
    factor schedule episode season version mark model step unit group category division superbowl bowl
    """)
_SPEAKERS_VERBS: Final = listed(
    "am was have had can could do did should would will want need think know be get feel see m ve d ll"
)
_SIZES: Final = frozenset({"xl", "xxl", "lv", "li"})


def may_be_roman(word: str) -> bool:
    """Returns whether a word in lower case is a well-formed numeral up to 89."""
    return word[0] in _VALUES and _NUMERAL.fullmatch(word) is not None


def is_numeral(written: str, before: str, behind: str) -> bool:
    """Returns whether a word is a numeral between these two, `behind` in lower case: World War I, not London I am."""
    word = written.lower()
    if word == "i" and behind in _SPEAKERS_VERBS:
        return False
    if before.lower() in _NUMBERED:
        return True
    if len(word) == 1:
        return written.isupper() and before[0].isupper() and word != "l"
    return (written.isupper() and word not in _SIZES) or len(word) > 2 or word == "ii"


def roman_value(numeral: str) -> int:
    """Returns the value of a numeral in lower case."""
    values = [_VALUES[letter] for letter in numeral]
    return sum(-value if value < following else value for value, following in pairwise([*values, 0]))
