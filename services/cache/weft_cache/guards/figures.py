"""Numbers, dates, codes and addresses: where both texts have some, they must agree to the letter.

That only one text has a number tells little (`lose weight`, `lose 10 kilos`), and is left to the verifier.
"""

import re
from typing import Final

from weft_cache.guards.words import Question

_NUMBER: Final = re.compile(r"(?<![\w.])(?<!\w-)[$€£]?\d+(?:[.,:/-]\d+)*(?:st|nd|rd|th|k|m|bn|%)?(?!\w)", re.IGNORECASE)
_SPELT_NUMBERS: Final = """
    zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen
    eighteen nineteen twenty
"""
_SPELT: Final = {
    word: str(number)
    for number, word in enumerate(_SPELT_NUMBERS.split())
    if word != "one"  # as often a pronoun as a number
} | {"thirty": "30", "forty": "40", "fifty": "50", "hundred": "100", "thousand": "1000", "million": "1000000"}
_SCALES: Final = {"k": 3, "m": 6, "bn": 9}
# The parts of an address and of a code are bounded as mail and the DNS bound them: every word may begin one, and would
# be read to its end each time.
_ADDRESS: Final = re.compile(
    r"\b(?:https?://|www\.)\S+|\b[\w.+-]{1,64}@[\w-]{1,63}\.\w[\w.-]*|\b[\w-]{1,63}\.(?:com|org|net|io|gov|edu)\b"
)
_CODE: Final = re.compile(
    r"\b(?=[\w-]{0,63}\d)(?=[\w-]{0,63}[a-z])\w+(?:[-_.]\w+)*|\b[a-z]+(?:_[a-z]+)+\b|#\w+|\b[a-z]\+\+|\b[a-z]#"
)
_QUOTED: Final = re.compile(r"[\"“”`]([^\"“”`]{1,80})[\"“”`]")


def numbers_differ(asked: Question, stored: Question) -> bool:
    """Both texts have amounts, years, dates or versions, and not the same."""
    return _differ(_numbers(asked), _numbers(stored))


def codes_differ(asked: Question, stored: Question) -> bool:
    """Both texts have ids, model names, web or mail addresses, and not the same."""
    return _differ(_codes(asked), _codes(stored))


def quotes_differ(asked: Question, stored: Question) -> bool:
    """Both texts quote something, and not the same."""
    return _differ(_quotes(asked), _quotes(stored))


def _differ(ours: frozenset[str], theirs: frozenset[str]) -> bool:
    return bool(ours and theirs) and ours != theirs


def _numbers(question: Question) -> frozenset[str]:
    figures = (_plain(found) for found in _NUMBER.findall(question.text))
    return frozenset(figures) | {_SPELT[word] for word in question.words if word in _SPELT}


def _plain(figure: str) -> str:
    """1,000 and 1k and 1000.0 are one number; dates and times keep their form."""
    bare = figure.lower().lstrip("$€£").rstrip("%")
    bare = re.sub(r"(?<=\d)(st|nd|rd|th)$", "", bare)
    scale = re.search(r"(k|m|bn)$", bare)
    if scale:
        bare = bare.removesuffix(scale.group())
    bare = re.sub(r",(?=\d{3}\b)", "", bare)
    if not re.fullmatch(r"\d{1,200}(\.\d+)?", bare):  # a longer one is no float
        return bare
    value = float(bare) * 10 ** (_SCALES[scale.group()] if scale else 0)
    return f"{value:g}" if value < 1e6 else str(int(value))


def _codes(question: Question) -> frozenset[str]:
    text = question.text.lower()
    addresses = {re.sub(r"^https?://", "", found).rstrip("/.,?!)") for found in _ADDRESS.findall(text)}
    rest = _NUMBER.sub(" ", _ADDRESS.sub(" ", text))
    return frozenset(addresses | set(_CODE.findall(rest)))


def _quotes(question: Question) -> frozenset[str]:
    return frozenset(quote.strip(" .,?!").lower() for quote in _QUOTED.findall(question.text))
