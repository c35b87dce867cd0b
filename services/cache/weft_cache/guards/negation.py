"""Finds what a text denies: the words after `not`, `without` or `unable`, as far as the negation reaches."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from weft_cache.guards.forms import listed, stem
from weft_cache.guards.words import FUNCTION_WORDS, Question

_NEGATORS: Final = listed("""
    not no never none nobody nothing nowhere neither nor without except excluding unable hardly barely scarcely rarely
    seldom fail fails failed failing lack lacks lacked lacking refuse refuses refused decline declines declined
    unless incapable non
    """)
# These deny only a word in -ing or after `from`: to stop smoking denies smoking, to stop a train does not deny it.
_CEASING: Final = listed(
    "stop stops stopped stopping quit quits quitting avoid avoids avoided avoiding prevent prevents prevented "
    "preventing"
)
_DENYING: Final = _NEGATORS | _CEASING | {"but"}
_CEASED: Final = _CEASING | listed(
    "keep keeps cease ceases give gave overcome beat break rid remove end control reduce cure fight resist"
)
_KEEPING: Final = frozenset({"keep", "keeps"})
_ALL: Final = listed("all everyone everybody everything anyone anybody anything")
_BREAKS: Final = listed(
    "how what why when where who whom which that if because but so and or then while unless although though"
)
_AUXILIARIES: Final = listed("is are am do does did can could should would will was were has have had must need ought")
_FREE: Final = re.compile(r"\b(\w{2,40})-free\b|\bfree\s+(?:of|from)\s+(\w{2,40})", re.IGNORECASE)
_OFTEN_FREE: Final = listed("gluten sugar dairy fat smoke lactose alcohol nut caffeine tax duty")
_LESS: Final = "less"
_NO_LESS: Final = listed(
    "unless regardless nevertheless nonetheless doubtless bless priceless wireless countless reckless ruthless"
)
_NO_OBJECT: Final = frozenset({"or", "yes", "only"})
_MILD: Final = frozenset({("is", "there", "no"), ("are", "there", "no")})
_PASSED_OVER: Final = frozenset({"longer", "one", "anymore"})
_LONGEST_REACH: Final = 3
_FARTHEST: Final = 8


@dataclass(frozen=True, slots=True)
class Negation:
    """The stems that are denied (`denied`), and those that may be denied with them (`shadow`).

    If `mild`, the question asks the same without the negation: `Can't I …?`, `Isn't it …?`. If it `ceases` something,
    the other text may say so in other words: give up smoking.
    """

    denied: frozenset[str]
    shadow: frozenset[str]
    mild: bool = False
    ceases: bool = False


@dataclass(frozen=True, slots=True)
class Negations:
    """All negations of a text, the stems that they deny, and those that they may reach."""

    all: tuple[Negation, ...]
    denied: frozenset[str]
    shadow: frozenset[str]

    def deny(self, asserting: Question) -> bool:
        """Returns whether one of them denies what the other text asserts."""
        return any(
            negation.denied <= asserting.subjects
            and negation.denied.isdisjoint(asserting.once(negations).shadow)
            and not (negation.ceases and _ceases(asserting))
            for negation in self.all
            if not negation.mild
        )


def _ceases(question: Question) -> bool:
    """Returns whether it speaks of ending something in any words. `Keep from` does, `keep` alone does not."""
    vocabulary = question.vocabulary
    return not vocabulary.isdisjoint(_CEASED) and ("from" in vocabulary or not vocabulary & _CEASED <= _KEEPING)


def negations(question: Question) -> Negations:
    """Returns a text's negations, without those that deny nothing (`or not`, `why not`)."""
    found = () if question.vocabulary.isdisjoint(_DENYING) else tuple(_spoken(question.words))
    found += tuple(_affixed(question))
    denied = frozenset[str]().union(*(negation.denied for negation in found))
    return Negations(found, denied, frozenset[str]().union(*(negation.shadow for negation in found)))


def _spoken(words: Sequence[str]) -> Iterator[Negation]:
    at = 0
    while at < len(words):
        if not _negates(words, at):
            at += 1
            continue
        start, is_odd = at + 1, True
        while start < len(words) and (words[start] in _NEGATORS or words[start] == "to"):
            is_odd ^= words[start] != "to"  # never fail to: two negations cancel out
            start += 1
        reach = _reach(words, start)
        if reach and is_odd:
            shadow = frozenset(stem(word) for word in words[start : start + _FARTHEST])
            is_mild = words[0] in _AUXILIARIES and (words[: at + 1] in _MILD or (at == 1 and words[1] == "not"))
            yield Negation(reach, shadow, is_mild, words[at] in _CEASING)
        at = start


def _negates(words: Sequence[str], at: int) -> bool:
    word, following = words[at], words[at + 1] if at + 1 < len(words) else ""
    if word in _CEASING:
        return following.endswith("ing") or "from" in words[at + 2 : at + 5]
    if word == "but" and at and words[at - 1] in _ALL:
        return bool(following)
    if word not in _NEGATORS or not following or following in _NO_OBJECT:
        return False
    before = words[at - 1] if at else ""
    if word == "no":  # not the answer "No, …" nor the number "No. 5"
        return at > 0 and not following.isdigit() and before not in _NO_OBJECT
    return before not in {"or", "and"}  # no negation of the question: a peninsula and not a continent


def _reach(words: Sequence[str], start: int) -> frozenset[str]:
    """Returns the stems of the first content words in a row."""
    stems: list[str] = []
    for word in words[start : start + _FARTHEST]:
        if word in _BREAKS or len(stems) == _LONGEST_REACH:
            break
        if word not in FUNCTION_WORDS and word not in _PASSED_OVER:
            stems.append(stem(word))
        elif stems:
            break
    return frozenset(stems)


def _affixed(question: Question) -> Iterator[Negation]:
    for word in question.vocabulary if _LESS in question.text.lower() else ():
        if word.endswith(_LESS) and len(word) > len(_LESS) + 2 and word not in _NO_LESS:
            yield _of(word.removesuffix(_LESS))
    if "free" in question.vocabulary:
        for before, behind in _FREE.findall(question.text):
            yield _of((before or behind).lower())
        for one, following in zip(question.words, question.words[1:], strict=False):
            if following == "free" and one in _OFTEN_FREE:
                yield _of(one)


def _of(word: str) -> Negation:
    denied = frozenset({stem(word)})
    return Negation(denied, denied)
