"""The verifier's training pairs: labelled ones, those implied by labels, nearest neighbours, edits and templates."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Self

from bench.cache_quality.pairs import Pair
from bench.cache_quality.training import edits, mining, templates
from bench.cache_quality.training.edits import Edit, OtherName, Qualified, RelatedWord
from bench.cache_quality.training.mining import Vectors
from bench.cache_quality.training.sets import Utterance


@dataclass(frozen=True)
class Material:
    """Training parts only; the extra sets may be empty."""

    questions: Sequence[Pair]
    statements: Sequence[Pair] = ()
    utterances: Sequence[Utterance] = ()


@dataclass(frozen=True)
class Amounts:
    """How many pairs of each kind, if there are enough; two of three differ in meaning."""

    questions: int = 72_000  # labelled; more than there are: some twice
    implied: int = 12_000
    hard_negatives: int = 36_000
    statements: int = 14_000  # each about twice
    same_intent: int = 14_000
    other_intent: int = 22_000
    meaning_changed: int = 30_000
    meaning_kept: int = 16_000
    requests: int = 5_000
    operators: int = 3_000
    store: int = 45_000  # questions among which neighbours are searched

    def scaled(self, share: float) -> Self:
        """Returns a share of each amount."""
        return type(self)(**{kind: round(count * share) for kind, count in asdict(self).items()})


def examples(material: Material, vectors: Vectors, amounts: Amounts, seed: int) -> list[Pair]:
    """Returns the pairs, shuffled, each with either text first."""
    rng = random.Random(seed)
    texts = sorted({text for pair in material.questions for text in (pair.first, pair.second)})
    rng.shuffle(texts)
    intents = mining.of_intents(material.utterances, vectors) if material.utterances else []
    found = [
        *_some(material.questions, amounts.questions, rng),
        *_some(mining.implied(material.questions, rng), amounts.implied, rng),
        *_some(mining.hard_negatives(material.questions, texts[: amounts.store], vectors), amounts.hard_negatives, rng),
        *_some(material.statements, amounts.statements, rng),
        *_some([pair for pair in intents if pair.same], amounts.same_intent, rng),
        *_some([pair for pair in intents if not pair.same], amounts.other_intent, rng),
        *_edits(material, vectors, amounts, rng),
    ]
    rng.shuffle(found)
    return [Pair(pair.second, pair.first, pair.same) if rng.random() < 0.5 else pair for pair in found]


def _some(pairs: Sequence[Pair], count: int, rng: random.Random) -> list[Pair]:
    """Returns `count` of the pairs; if there are too few, some twice."""
    rest = max(0, count - len(pairs))
    return [*rng.sample(pairs, min(count, len(pairs))), *rng.sample(pairs, min(rest, len(pairs)))]


def _edits(material: Material, vectors: Vectors, amounts: Amounts, rng: random.Random) -> Iterator[Pair]:
    spoken = [Pair(text, text, True) for text, _ in material.utterances]
    bases = [pair for pair in (*material.questions, *material.statements, *spoken) if pair.same]
    texts = [pair.first for pair in bases]
    name, related = OtherName(texts), mining.related_words(texts, vectors)
    breaking = [
        edits.other_word, edits.other_word, edits.other_number, edits.negated, edits.affirmed, edits.swapped,
        edits.swapped, edits.swapped_roles, edits.swapped_roles, edits.swapped_owners, edits.swapped_persons, name,
        Qualified(name.names), RelatedWord(related), RelatedWord(related),
    ]  # fmt: skip
    keeping = [
        edits.polite, edits.respelt, edits.swapped_sides, edits.misspelt, edits.synonym, edits.moved, edits.reopened,
    ]  # fmt: skip
    yield from islice(_edited(bases, breaking, rng, same=False), amounts.meaning_changed)
    yield from islice(_edited(bases, keeping, rng, same=True), amounts.meaning_kept)
    subjects = mining.nouns(texts)
    yield from islice(templates.requests(subjects, rng), amounts.requests if subjects else 0)
    yield from islice(templates.operators(rng), amounts.operators)


def _edited(bases: Sequence[Pair], choices: Sequence[Edit], rng: random.Random, *, same: bool) -> Iterator[Pair]:
    """Yields pairs with edits, each kind as often as any other, of the texts that allow it."""
    while True:
        edit = rng.choice(choices)
        for _ in range(200):
            base = rng.choice(bases)
            made = edit(base.first, rng)
            if made is not None and made != base.first:
                # Half of them are paired with the original text, half with a paraphrase of it.
                yield Pair(made, rng.choice((base.first, base.second)), same)
                break
