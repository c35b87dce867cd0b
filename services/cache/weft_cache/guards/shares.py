"""Guard for quantities: all and some, both and either, A and B or one of the two, as good as and better than."""

from typing import Final

from weft_cache.guards.forms import listed, stem
from weft_cache.guards.words import FUNCTION_WORDS, Question, are_alike, disagree

_WHOLE: Final = listed("all every each both")
_PART: Final = listed("any some most either neither no")
_SHARES: Final = _WHOLE | _PART
_BETWEEN: Final = listed("of the my your our his her their these those a an")
_CHOOSING: Final = listed("between difference differences compare comparison better which prefer versus vs")
_JOINING: Final = frozenset({"and", "or"})


def shares_differ(asked: Question, stored: Question) -> bool:
    """Returns whether one text means all and the other some, or one means two things together and the other either, or
    one asks for as much and the other for more.
    """
    if not are_alike(asked, stored):
        return False
    return _parts_differ(asked, stored) or _joined_differ(asked, stored) or _degrees_differ(asked, stored)


def _parts_differ(asked: Question, stored: Question) -> bool:
    return disagree(asked.once(_wholes), stored.once(_wholes))


def _wholes(question: Question) -> dict[str, bool]:
    """Returns the words after a quantifier, with whether it means all (True), or most, some or none (False)."""
    if question.vocabulary.isdisjoint(_SHARES):
        return {}
    found: dict[str, bool] = {}
    share = ""
    for word in question.words:
        if word in _SHARES:
            share = word
        elif share and word not in _BETWEEN:
            found[stem(word)] = share in _WHOLE
            share = ""
    return found


def _joined_differ(asked: Question, stored: Question) -> bool:
    """Returns whether one text joins words by `and`, the other by `or`. If it is asked which, both mean the same."""
    if _JOINING.isdisjoint(asked.vocabulary) or not _CHOOSING.isdisjoint(asked.vocabulary | stored.vocabulary):
        return False
    return disagree(asked.once(_joined), stored.once(_joined))


def _joined(question: Question) -> dict[tuple[str, str], str]:
    """Returns the pairs of words that an `and` or an `or` joins, without articles, and which of the two it is."""
    words = [word for word in question.words if word not in _BETWEEN]
    return {
        (stem(before), stem(behind)): word
        for before, word, behind in zip(words, words[1:], words[2:], strict=False)
        if word in _JOINING and before not in FUNCTION_WORDS and behind not in FUNCTION_WORDS
    }


def _degrees_differ(asked: Question, stored: Question) -> bool:
    return {asked.once(_degree), stored.once(_degree)} == {"as", "than"}


def _degree(question: Question) -> str:
    """Returns whether it asks for as much (`as`) or for more (`than`); "" if both or neither."""
    words = question.words
    is_more = "than" in words
    is_as_much = any(one == "as" == other for one, other in zip(words, words[2:], strict=False))
    return "" if is_more == is_as_much else "than" if is_more else "as"
