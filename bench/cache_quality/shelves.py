"""Shelves of stored questions, and what is asked of them with what would be a right answer."""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, TypeVar

from bench.cache_quality.pairs import Pair, families

T = TypeVar("T")

_SEED: Final = 1


@dataclass(frozen=True, slots=True)
class Entry:
    """A stored question; its answer is equal to another's where `told` is, and right for what means `meaning`."""

    question: str
    told: str
    meaning: str


@dataclass(frozen=True, slots=True)
class Ask:
    """A question; None as its meaning says that no answer is right. What it is labelled different from is known."""

    question: str
    meaning: str | None
    different: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Shelf:
    """What is stored in one partition, and what is asked of it."""

    name: str
    stored: Sequence[Entry]
    asked: Sequence[Ask] = field(repr=False)

    def is_right(self, asked: int, found: int) -> bool:
        return self.asked[asked].meaning == self.stored[found].meaning

    def is_labelled_different(self, asked: int, found: int) -> bool:
        """Whether somebody compared just these two; most pairs of a shelf nobody did."""
        return self.stored[found].question in self.asked[asked].different


def of_pairs(name: str, pairs: Sequence[Pair], at_most: int) -> Shelf:
    """All texts of the pairs, each with an answer of its own; one of each that has a duplicate is asked.

    Right are the texts that it is labelled a duplicate of, directly or through others.
    """
    meanings = families((pair.first, pair.second) for pair in pairs if pair.same)
    texts = dict.fromkeys(text for pair in pairs for text in (pair.first, pair.second))
    asked = dict.fromkeys(pair.second for pair in pairs if pair.same and pair.first != pair.second)
    different = _different(pairs)
    return Shelf(
        name,
        [Entry(text, text, meanings.get(text, text)) for text in texts],
        [Ask(text, meanings[text], different.get(text, frozenset())) for text in sample(list(asked), at_most)],
    )


def without_duplicate(name: str, pairs: Sequence[Pair], at_most: int) -> Shelf:
    """The same shelf, asked what has no duplicate on it: a hit is wrong as far as the labels know."""
    shelf = of_pairs(name, pairs, at_most=0)
    duplicates = {text for pair in pairs if pair.same for text in (pair.first, pair.second)}
    alone = [entry.question for entry in shelf.stored if entry.question not in duplicates]
    different = _different(pairs)
    return replace(shelf, asked=[Ask(text, None, different.get(text, frozenset())) for text in sample(alone, at_most)])


def of_intents(
    name: str, stored: Iterable[tuple[str, str]], asked: Sequence[tuple[str, str]], at_most: int, *, unique: bool
) -> Shelf:
    """Utterances with their intents; `unique` gives each an answer of its own, else an intent has one answer."""
    return Shelf(
        name,
        [Entry(text, text if unique else intent, intent) for text, intent in dict(stored).items()],
        [Ask(text, intent) for text, intent in sample(asked, at_most)],
    )


def out_of_scope(shelf: Shelf, name: str, asked: Sequence[str]) -> Shelf:
    """The same shelf, asked what none of its entries answers."""
    return replace(shelf, name=name, asked=[Ask(text, None) for text in asked])


def mixed(name: str, shelves: Sequence[Shelf], of_each: int) -> Shelf:
    """All on one shelf, and so many questions of each; what two of them store means what it does on the first."""
    stored: dict[str, Entry] = {}
    for number, shelf in enumerate(shelves):
        for entry in shelf.stored:
            stored.setdefault(entry.question, replace(entry, meaning=f"{number}:{entry.meaning}"))
    asked = [
        replace(ask, meaning=None if ask.meaning is None else f"{number}:{ask.meaning}")
        for number, shelf in enumerate(shelves)
        for ask in sample(shelf.asked, of_each)
    ]
    return Shelf(name, list(stored.values()), asked)


def sample(rows: Sequence[T], at_most: int) -> list[T]:
    """So many at random, the same each time."""
    return random.Random(_SEED).sample(rows, min(at_most, len(rows)))


def _different(pairs: Iterable[Pair]) -> dict[str, frozenset[str]]:
    found: dict[str, set[str]] = {}
    for pair in pairs:
        if not pair.same:
            found.setdefault(pair.first, set()).add(pair.second)
            found.setdefault(pair.second, set()).add(pair.first)
    return {text: frozenset(others) for text, others in found.items()}
