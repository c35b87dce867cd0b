"""Guards for texts that must agree exactly: codes, addresses, quotations and code between backticks."""

import re
from typing import Final

from weft_cache.guards.moments import moments
from weft_cache.guards.words import Question

# The parts of addresses and codes have the limits of mail and DNS: every word may begin one, and without a limit the
# rest would be scanned each time.
_ADDRESS: Final = re.compile(
    r"\b(?:https?://|www\.)\S+|\b[\w.+-]{1,64}@[\w-]{1,63}\.\w[\w.-]*|\b[\w-]{1,63}\.(?:com|org|net|io|gov|edu)\b"
)
_CODE: Final = re.compile(
    r"\b(?=[\w-]{0,63}\d)(?=[\w-]{0,63}[a-z])\w+(?:[-_.]\w+)*|\b[a-z]+(?:_[a-z]+)+\b|#[a-z]\w*|\.net\b|\[\^?\S-[^\]\s]{1,20}\]"
    r"|\b\w{1,32}\.(?:js|py|ts|rb|rs|go|java|cpp|cs|php|sh|html|css|json|xml|yaml|yml|csv|txt|pdf|docx?|xlsx?|exe)\b"
)
_MAY_HOLD_CODES: Final = re.compile(r"[@_#/\[]|\.\w")
_MEASURED: Final = re.compile(
    r"\d[\d.,:/-]*(?:st|nd|rd|th|k|m|b|bn|mn|mln|million|billion|[ap]m|s|x|h|w|d|l|ms|mm|cm|km|kms|ft|in|mi|mg|g|kg|kgs"
    r"|lbs?|oz|ml|kb|mb|gb|tb|mph|kmph|kph|px|mp|yo|yrs?|years?|days?|hrs?|hours?|mins?|secs?|weeks?|months?|rs|inr|usd"
    r"|eur|gbp|dollars?|euros?|rupees?|lakhs?|crores?|year-olds?|year-old)|\d[\d.,:/-]*"
)
_NUMBERED: Final = re.compile(r"\d+-(?:[a-z]+-?)+")  # 5-year-old, 10-day
_QUOTED: Final = re.compile(r"[\"“”]([^\"“”]{1,80})[\"“”]")
_MAY_QUOTE: Final = re.compile('["“”]')
_BACKTICKED: Final = re.compile(r"`{1,3}([^`]+)`{1,3}")


def codes_differ(asked: Question, stored: Question) -> bool:
    """Returns whether each text has an id, a model's name, a file or an address that the other lacks."""
    return _differ(asked.once(_codes), stored.once(_codes))


def quotes_differ(asked: Question, stored: Question) -> bool:
    """Returns whether both texts quote something, and each quotes what the other does not say."""
    if _differ(asked.once(_snippets), stored.once(_snippets)):
        return True
    return _has_other_quote(asked, stored) and _has_other_quote(stored, asked)


def _has_other_quote(quoting: Question, other: Question) -> bool:
    """Returns whether it quotes something that the other does not even mention."""
    return any(
        quote not in other.once(_quotes) and not other.vocabulary.issuperset(Question.read(quote).words)
        for quote in quoting.once(_quotes)
    )


def _differ(ours: frozenset[str], theirs: frozenset[str]) -> bool:
    return bool(ours - theirs) and bool(theirs - ours)


def _codes(question: Question) -> frozenset[str]:
    if not question.has_figures and not _MAY_HOLD_CODES.search(question.text):
        return frozenset()
    text = question.once(moments).rest.lower()
    addresses = {re.sub(r"^https?://", "", found).rstrip("/.,?!)") for found in _ADDRESS.findall(text)}
    codes = _CODE.findall(_ADDRESS.sub(" ", text))
    return frozenset(addresses | {code for code in codes if not _counts(code)})


def _counts(code: str) -> bool:
    return bool(_MEASURED.fullmatch(code) or _NUMBERED.fullmatch(code))


def _quotes(question: Question) -> frozenset[str]:
    if not _MAY_QUOTE.search(question.text):
        return frozenset()
    return frozenset(" ".join(quote.strip(" .,?!").lower().split()) for quote in _QUOTED.findall(question.text)) - {""}


def _snippets(question: Question) -> frozenset[str]:
    if "`" not in question.text:
        return frozenset()
    return frozenset(snippet.strip() for snippet in _BACKTICKED.findall(question.text))
