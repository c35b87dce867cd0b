"""Guard for operators, signs and pictures: == is not ===, ∑ is not ∫, and one flag is not another."""

import re
import unicodedata
from typing import Final

from weft_cache.guards.words import Question

_OPERATOR: Final = re.compile(
    r"(?<![\w+#])[a-z](?:\+\+|\#)(?![\w+#])"  # C++, C#, F#
    r"|===|!==|<=>|>>>=?|<<=|>>=|\*\*=|==|!=|<=|>=|=>|->|<-|<<|>>|\+\+|\+=|-=|\*=|/=|%=|&=|\|=|\^=|~=|=~|:="
    r"|&&|\|\||\*\*|::|\?\?|\?\."
    r"|(?<=\w)--(?!\w)|(?<!\S)--(?=[a-z]\b)|(?<=\w)//(?=\w)|(?<!\S)//(?!\S)|\\[a-z]"
    r"|(?<=[\d)\]])\s?[-/](?=\s?[\d(\[])|(?<=\b[a-z]) [-/] (?=[a-z]\b)"
    r"|(?<![\w%])%(?!\d)|(?<![\w$])\$(?![\w$])|(?<![\w@])@(?![\w@])|(?<![\w#&])\#(?![\w#])|(?<!\S)(?:--|[-/?!:])(?=\s(?:operator|sign|symbol|mean|do\b|in\b|for\b|and\b))"
    r"|(?<![\w&#])&(?![\w&#])|[=<>+*|^~]",
    re.IGNORECASE,
)
_MAY_OPERATE: Final = re.compile(r"[=<>+*|^~&%$@#\\]|--|::|//|\?[?.]|[\w)\]]\s?[-/]\s?[\w(\[]|\s[-/?!:]\s")
_SPELT: Final = str.maketrans(
    {"\N{MULTIPLICATION SIGN}": "*", "÷": "/", "\N{MINUS SIGN}": "-", "≠": "!=", "≤": "<=", "≥": ">="}
    | {"→": "->", "⇒": "=>", "←": "<-"}
)
_UNMARKED: Final = str.maketrans("", "", "?.")
_UNGROUPED: Final = str.maketrans("", "", "()")
_GROUP: Final = re.compile(r"\(([^()]*)\)")
_COMPUTES: Final = re.compile(r"\w\s*[-+*/^%&|<>=]+\s*\w|\b\w (?:and|or|xor) \w\b")
_DRAWN: Final = frozenset({"So", "Sm", "Sc"})
_MEANINGLESS: Final = frozenset("°©®™+<>=|~^$¢")
# These also stand for a word.
_AND: Final = frozenset("&+")
_FLAG_LETTERS: Final = range(0x1F1E6, 0x1F200)
_TAGS: Final = re.compile("[\U000e0020-\U000e007e]*")
"""Invisible letters after a black flag, which name its region."""


def symbols_differ(asked: Question, stored: Question) -> bool:
    """Returns whether each text has an operator, a sign or a picture that the other lacks."""
    if _grouped_differ(asked.text, stored.text):
        return True
    ours, theirs = asked.once(symbols), stored.once(symbols)
    only_ours, only_theirs = ours - theirs, theirs - ours
    return bool(only_ours and only_theirs) and not only_ours | only_theirs <= _AND


def _grouped_differ(asked: str, stored: str) -> bool:
    """Returns whether the parentheses of the same formula differ: (2 + 3) * 4, 2 + 3 * 4; not (a or b), not a or b."""
    if ("(" in asked) + ("(" in stored) == 0:
        return False
    ours, theirs = ("".join(text.lower().split()).translate(_UNMARKED) for text in (asked, stored))
    if ours == theirs or ours.translate(_UNGROUPED) != theirs.translate(_UNGROUPED):
        return False
    return any(_COMPUTES.search(group) for text in (asked, stored) for group in _GROUP.findall(text))


def symbols(question: Question) -> frozenset[str]:
    """Returns the operators and pictures of a text."""
    text = question.text
    drawn = frozenset[str]() if text.isascii() else frozenset(_drawn(text))
    if not _MAY_OPERATE.search(text) and not drawn:
        return frozenset()
    return drawn | {found.strip().lower() for found in _OPERATOR.findall(text.translate(_SPELT))}


def _drawn(text: str) -> list[str]:
    """Returns emoji, mathematical signs, and currency signs without an amount; flags are two letters each."""
    found: list[str] = []
    letter = ""
    for place, character in enumerate(text):
        if ord(character) in _FLAG_LETTERS:
            letter = "" if letter else character
            found.append(text[place - 1 : place + 1] if not letter else "")
            continue
        letter = ""
        kind = unicodedata.category(character)
        if kind not in _DRAWN or character in _MEANINGLESS or (kind == "Sc" and text[place + 1 : place + 2].strip()):
            continue
        found.append(character + _TAGS.match(text, place + 1)[0])  # type: ignore[index]  # it matches anything
    return list(filter(None, found))
