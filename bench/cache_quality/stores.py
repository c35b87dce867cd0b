"""Stores of questions with answers, the questions asked of them, and which answers are right."""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, TypeVar

from bench.cache_quality.pairs import Pair, families

T = TypeVar("T")

_SEED: Final = 1


@dataclass(frozen=True, slots=True)
class Entry:
    """A stored question. Entries with equal `told` have the same answer, which is right for questions of `meaning`."""

    question: str
    told: str
    meaning: str


@dataclass(frozen=True, slots=True)
class Ask:
    """A question, and the questions it is labelled different from. A meaning of None says that no answer is right."""

    question: str
    meaning: str | None
    different: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Store:
    """What is stored in one partition, and what is asked of it."""

    name: str
    stored: Sequence[Entry]
    asked: Sequence[Ask] = field(repr=False)

    def is_right(self, asked: int, found: int) -> bool:
        return self.asked[asked].meaning == self.stored[found].meaning

    def is_labelled_different(self, asked: int, found: int) -> bool:
        """Returns whether these two are labelled different; most pairs in a store have no label."""
        return self.stored[found].question in self.asked[asked].different


def of_pairs(name: str, pairs: Sequence[Pair], at_most: int) -> Store:
    """Returns a store of all texts of the pairs, each with an answer of its own; some with duplicates are asked.

    The texts labelled as a question's duplicates, directly or through others, are right.
    """
    meanings = families((pair.first, pair.second) for pair in pairs if pair.same)
    texts = dict.fromkeys(text for pair in pairs for text in (pair.first, pair.second))
    asked = dict.fromkeys(pair.second for pair in pairs if pair.same and pair.first != pair.second)
    different = _different(pairs)
    return Store(
        name,
        [Entry(text, text, meanings.get(text, text)) for text in texts],
        [Ask(text, meanings[text], different.get(text, frozenset())) for text in sample(list(asked), at_most)],
    )


def without_duplicate(name: str, pairs: Sequence[Pair], at_most: int) -> Store:
    """Returns the same store, asked questions without a duplicate in it: by the labels, every hit is wrong."""
    store = of_pairs(name, pairs, at_most=0)
    duplicates = {text for pair in pairs if pair.same for text in (pair.first, pair.second)}
    alone = [entry.question for entry in store.stored if entry.question not in duplicates]
    different = _different(pairs)
    return replace(store, asked=[Ask(text, None, different.get(text, frozenset())) for text in sample(alone, at_most)])


def of_intents(
    name: str, stored: Iterable[tuple[str, str]], asked: Sequence[tuple[str, str]], at_most: int, *, unique: bool
) -> Store:
    """Returns a store of utterances with intents; `unique` gives each its own answer, otherwise each intent has one."""
    return Store(
        name,
        [Entry(text, text if unique else intent, intent) for text, intent in dict(stored).items()],
        [Ask(text, intent) for text, intent in sample(asked, at_most)],
    )


def out_of_scope(store: Store, name: str, asked: Sequence[str]) -> Store:
    """Returns the same store, asked questions that none of its entries answers."""
    return replace(store, name=name, asked=[Ask(text, None) for text in asked])


def mixed(name: str, stores: Sequence[Store], of_each: int) -> Store:
    """Returns all stores in one, with `of_each` questions of each; a text in two of them keeps its first meaning."""
    stored: dict[str, Entry] = {}
    for number, store in enumerate(stores):
        for entry in store.stored:
            stored.setdefault(entry.question, replace(entry, meaning=f"{number}:{entry.meaning}"))
    asked = [
        replace(ask, meaning=None if ask.meaning is None else f"{number}:{ask.meaning}")
        for number, store in enumerate(stores)
        for ask in sample(store.asked, of_each)
    ]
    return Store(name, list(stored.values()), asked)


def sample(rows: Sequence[T], at_most: int) -> list[T]:
    """Returns at most `at_most` rows at random, the same ones each time."""
    return random.Random(_SEED).sample(rows, min(at_most, len(rows)))


def _different(pairs: Iterable[Pair]) -> dict[str, frozenset[str]]:
    found: dict[str, set[str]] = {}
    for pair in pairs:
        if not pair.same:
            found.setdefault(pair.first, set()).add(pair.second)
            found.setdefault(pair.second, set()).add(pair.first)
    return {text: frozenset(others) for text, others in found.items()}
