"""Amounts, counts, years and places in an order: each text has one that the other lacks.

That only one text has a number tells little (`lose weight`, `lose 10 kilos`): of Quora's TRAIN pairs with one other
word at most 61 % differ where one has a number, and 54 % where none has. It is left to the verifier.
"""

from collections import Counter
from collections.abc import Iterable, Sequence

from weft_cache.guards.number_reading import Amount, numbers
from weft_cache.guards.words import Question, are_alike


def numbers_differ(asked: Question, stored: Question) -> bool:
    """Whether each text has an amount that the other lacks, of the same thing or in otherwise alike texts."""
    ours, theirs = asked.once(numbers).amounts, stored.once(numbers).amounts
    if not ours or not theirs:
        return False
    only_ours, only_theirs = _unmatched(ours, theirs)
    if not only_ours or not only_theirs:
        return False
    return are_alike(asked, stored) or not _slots(only_ours).isdisjoint(_slots(only_theirs))


def _unmatched(ours: Sequence[Amount], theirs: Sequence[Amount]) -> tuple[list[Amount], list[Amount]]:
    """What of each the other lacks. How often a number comes counts only where both texts have as many."""
    if len(ours) != len(theirs):
        ours, theirs = (list({amount.key: amount for amount in side}.values()) for side in (ours, theirs))
    left, right = _without(ours, theirs), _without(theirs, ours)
    return _without_bare(left, right), _without_bare(right, left)


def _without(ours: Iterable[Amount], theirs: Iterable[Amount]) -> list[Amount]:
    known, left = Counter(amount.key for amount in theirs), list[Amount]()
    for amount in ours:
        known[amount.key] -= 1
        if known[amount.key] < 0:
            left.append(amount)
    return left


def _without_bare(ours: Iterable[Amount], theirs: Iterable[Amount]) -> list[Amount]:
    """Without those that differ from one of the others only in that one of both has a unit."""
    bare = {amount.raw for amount in theirs if not amount.dimension}
    measured = {amount.raw for amount in theirs if amount.dimension}
    return [amount for amount in ours if amount.raw not in (bare if amount.dimension else bare | measured)]


def _slots(amounts: Iterable[Amount]) -> set[tuple[str, str]]:
    """What each is an amount of: its unit's dimension, the word before it and the word behind it."""
    found = [
        slot
        for amount in amounts
        for slot in (("of", amount.dimension), ("behind", amount.before), ("before", amount.behind))
    ]
    return {slot for slot in found if slot[1]}
