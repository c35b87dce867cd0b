"""What the verifier learns from: pairs as people labelled them, and the same with edits."""

import random
from collections.abc import Iterator, Sequence
from typing import Final

from bench.cache_quality.pairs import Pair
from bench.cache_quality.training import edits
from bench.cache_quality.training.edits import Edit, OtherName

_LEAST_OVERLAP: Final = 0.2


def examples(pairs: Sequence[Pair], people: int, edited: int, seed: int) -> list[Pair]:
    """Shuffled: `people` labelled pairs, and `edited` ones, a third of which ask the same."""
    rng = random.Random(seed)
    likely = [pair for pair in pairs if pair.same or overlap(pair) >= _LEAST_OVERLAP]
    chosen = rng.sample(likely, min(people, len(likely)))
    name = OtherName([pair.first for pair in pairs])
    breaking = [edits.other_word, edits.other_word, edits.other_number, edits.negated, edits.swapped, name]
    keeping = [edits.polite, edits.respelt, edits.swapped_sides, edits.misspelt]
    bases = [pair for pair in pairs if pair.same]
    broken = _edited(bases, breaking, rng, same=False)
    kept = _edited(bases, keeping, rng, same=True)
    made = [next(kept if place % 3 == 0 else broken) for place in range(edited)]
    found = [*chosen, *made]
    rng.shuffle(found)
    return [Pair(pair.second, pair.first, pair.same) if rng.random() < 0.5 else pair for pair in found]


def overlap(pair: Pair) -> float:
    """The share of words that two questions have in common."""
    one, other = (set(question.lower().rstrip("?").split()) for question in (pair.first, pair.second))
    return len(one & other) / max(1, len(one | other))


def _edited(bases: Sequence[Pair], choices: Sequence[Edit], rng: random.Random, *, same: bool) -> Iterator[Pair]:
    while True:
        base = rng.choice(bases)
        made = rng.choice(choices)(base.first, rng)
        if made is None:
            continue
        # Half beside the question it was made from, half beside a paraphrase of that.
        beside_paraphrase = rng.random() < 0.5
        yield Pair(made, base.second if beside_paraphrase else base.first, same)
