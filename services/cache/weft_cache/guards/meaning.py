"""Guards for words that reverse a question: a negation, an opposite, another member of a kind."""

import re
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import Final

from weft_cache.guards.forms import stem
from weft_cache.guards.lexicon import are_siblings, base, opposites, phrased
from weft_cache.guards.negation import negations
from weft_cache.guards.number_words import NUMBER_WORDS
from weft_cache.guards.order import mirrored
from weft_cache.guards.units import unit
from weft_cache.guards.words import FUNCTION_WORDS, MOST_REPLACED, Question

_HYPHENATED: Final = re.compile(r"\b([a-z]{2,20})-([a-z]{3,20})\b")
_LESSENING: Final = frozenset({"less", "least", "lesser"})
_TURNED: Final = {
    "on": "off", "off": "on", "in": "out", "out": "in", "up": "down", "down": "up", "over": "under", "under": "over",
}  # fmt: skip


def negation_differs(asked: Question, stored: Question) -> bool:
    """Returns whether one text denies what the other asserts. `Isn't it …?` asks the same as `Is it …?`."""
    return asked.once(negations).deny(stored) or stored.once(negations).deny(asked)


def opposites_differ(asked: Question, stored: Question) -> bool:
    """Returns whether a word of one text excludes a word of the other: buy and sell, edible and inedible."""
    ours, theirs = asked.once(_turned), stored.once(_turned)
    only_ours, only_theirs = ours.keys() - theirs.keys(), theirs.keys() - ours.keys()
    if not only_ours or not only_theirs:
        return False
    do_exclude = (
        _exclude(ours, only_ours, theirs, only_theirs)
        or _exclude(theirs, only_theirs, ours, only_ours)
        or not asked.once(_particles).isdisjoint(stored.once(_turned_particles))
    )
    return do_exclude and mirrored(asked, stored) != "than"  # the same: A is bigger than B, B is smaller than A


def _exclude(
    ours: Mapping[str, bool], only_ours: AbstractSet[str], theirs: Mapping[str, bool], only_theirs: AbstractSet[str]
) -> bool:
    return any(ours[word] == theirs[other] for word in only_ours for other in opposites(word) & only_theirs)


def _particles(question: Question) -> frozenset[tuple[str, str]]:
    """Returns words such as on and off, each with the stem before it, unless the text has the opposite as well."""
    if question.vocabulary.isdisjoint(_TURNED):
        return frozenset()
    pairs = zip(question.words, question.words[1:], strict=False)
    return frozenset(
        (stem(before), word) for before, word in pairs if word in _TURNED and _TURNED[word] not in question.vocabulary
    )


def _turned_particles(question: Question) -> frozenset[tuple[str, str]]:
    return frozenset((before, _TURNED[particle]) for before, particle in question.once(_particles))


def kinds_differ(asked: Question, stored: Question) -> bool:
    """Returns whether the texts are alike but for two members of a kind: dog and cat, Monday and Tuesday, kilometres
    and miles.
    """
    ours, theirs = asked.once(_bases), stored.once(_bases)
    only_ours, only_theirs = ours - theirs, theirs - ours
    if max(len(only_ours), len(only_theirs)) > MOST_REPLACED:
        return False
    return any(are_siblings(one, other) for one in only_ours for other in only_theirs)


def _bases(question: Question) -> frozenset[str]:
    """Returns base forms of the content words, without units after a number: `numbers_differ` compares those."""
    pairs = zip(("", *question.words), question.words, strict=False)
    return frozenset(
        base(word)
        for before, word in pairs
        if word not in FUNCTION_WORDS and not (unit(word) and (before.isdecimal() or before in NUMBER_WORDS))
    )


def _turned(question: Question) -> dict[str, bool]:
    """Returns base forms of all words, each with whether the text reverses it: not cheap, less cheap."""
    negated, words = question.once(negations).denied, phrased(question.words)
    joined = (
        {base(one + two): False for one, two in _HYPHENATED.findall(question.text.lower())}
        if "-" in question.text
        else {}
    )
    if not negated and _LESSENING.isdisjoint(words):
        return joined | dict.fromkeys(map(base, words), False)
    return joined | {
        base(word): (stem(word) in negated) != (before in _LESSENING)
        for before, word in zip(("", *words), words, strict=False)
    }
