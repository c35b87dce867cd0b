"""Guard for amounts, counts, years and ordinals: each text has one that the other lacks.

That only one text has a number says little (`lose weight`, `lose 10 kilos`): of Quora's TRAIN pairs that differ in at
most one word, 61 % ask different things if one has a number, and 54 % if neither has. The verifier decides those.
"""

from collections import Counter
from collections.abc import Iterable, Sequence

from weft_cache.guards.number_reading import Amount, numbers
from weft_cache.guards.words import Question, are_alike


def numbers_differ(asked: Question, stored: Question) -> bool:
    """Returns whether each text has an amount that the other lacks, of the same thing or in otherwise alike texts."""
    ours, theirs = asked.once(numbers).amounts, stored.once(numbers).amounts
    if not ours or not theirs:
        return False
    only_ours, only_theirs = _unmatched(ours, theirs)
    if not only_ours or not only_theirs:
        return False
    return are_alike(asked, stored) or not _slots(only_ours).isdisjoint(_slots(only_theirs))


def _unmatched(ours: Sequence[Amount], theirs: Sequence[Amount]) -> tuple[list[Amount], list[Amount]]:
    """Returns the amounts of each that the other lacks. Repetitions count only if both texts have as many amounts."""
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
    """Returns our amounts without those that equal one of theirs except that only one of the two has a unit."""
    bare = {amount.raw for amount in theirs if not amount.dimension}
    measured = {amount.raw for amount in theirs if amount.dimension}
    return [amount for amount in ours if amount.raw not in (bare if amount.dimension else bare | measured)]


def _slots(amounts: Iterable[Amount]) -> set[tuple[str, str]]:
    """Returns what each amount measures: its unit's dimension, and the words before and after it."""
    found = [
        slot
        for amount in amounts
        for slot in (("of", amount.dimension), ("behind", amount.before), ("before", amount.behind))
    ]
    return {slot for slot in found if slot[1]}
