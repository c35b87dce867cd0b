"""How much of it is meant: all and some, both and either, A and B or one of the two, as good as it and better."""

from typing import Final

from weft_cache.guards.forms import listed, stem
from weft_cache.guards.words import FUNCTION_WORDS, Question, are_alike

_WHOLE: Final = listed("all every each both")
_PART: Final = listed("any some most either neither no")
_SHARES: Final = _WHOLE | _PART
_BETWEEN: Final = listed("of the my your our his her their these those a an")
_CHOOSING: Final = listed("between difference differences compare comparison better which prefer versus vs")
_JOINING: Final = frozenset({"and", "or"})


def shares_differ(asked: Question, stored: Question) -> bool:
    """Of the same things all are meant and some, or two together and one of both; or as much of it and more."""
    if not are_alike(asked, stored):
        return False
    return _parts_differ(asked, stored) or _joined_differ(asked, stored) or _degrees_differ(asked, stored)


def _parts_differ(asked: Question, stored: Question) -> bool:
    ours, theirs = asked.once(_shares), stored.once(_shares)
    return any((ours[whole] in _WHOLE) != (theirs[whole] in _WHOLE) for whole in ours.keys() & theirs.keys())


def _shares(question: Question) -> dict[str, str]:
    """Of what it speaks of all, of most or of some. `Most` may only make a superlative."""
    if question.vocabulary.isdisjoint(_SHARES):
        return {}
    found: dict[str, str] = {}
    share = ""
    for word in question.words:
        if word in _SHARES:
            share = word
        elif share and word not in _BETWEEN:
            found[stem(word)] = share
            share = ""
    return found


def _joined_differ(asked: Question, stored: Question) -> bool:
    """A and B, A or B. Where it is asked which of the two, both say the same."""
    if _JOINING.isdisjoint(asked.vocabulary) or not _CHOOSING.isdisjoint(asked.vocabulary | stored.vocabulary):
        return False
    ours, theirs = asked.once(_joined), stored.once(_joined)
    return any(ours[around] != theirs[around] for around in ours.keys() & theirs.keys())


def _joined(question: Question) -> dict[tuple[str, str], str]:
    """The words that an `and` or an `or` joins, articles apart."""
    words = [word for word in question.words if word not in _BETWEEN]
    return {
        (stem(before), stem(behind)): word
        for before, word, behind in zip(words, words[1:], words[2:], strict=False)
        if word in _JOINING and before not in FUNCTION_WORDS and behind not in FUNCTION_WORDS
    }


def _degrees_differ(asked: Question, stored: Question) -> bool:
    return {asked.once(_degree), stored.once(_degree)} == {"as", "than"}


def _degree(question: Question) -> str:
    """Whether it asks for as much or for more; "" where for both or neither."""
    words = question.words
    is_more = "than" in words
    is_as_much = any(one == "as" == other for one, other in zip(words, words[2:], strict=False))
    return "" if is_more == is_as_much else "than" if is_more else "as"
