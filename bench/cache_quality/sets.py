"""Every store and every list of lone pairs that is judged, for validation and for test."""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final

from bench.cache_quality import more_sets, stores
from bench.cache_quality.pairs import Pair, Split, gptcache, intents, qqp
from bench.cache_quality.stores import Ask, Entry, Store, of_intents, of_pairs, sample
from bench.cache_quality.training.sets import held_out
from bench.cache_quality.word_swaps import swaps

Make = Callable[[], Store]
MakePairs = Callable[[], list[Pair]]

_ASKED_OF_TRAIN: Final = 3000
"""How many of banking77's train split are asked for validation; its test split is for the test."""
_TRANSLATED: Final = 500
_SEED: Final = 7


@dataclass(frozen=True, slots=True)
class Sources:
    """The folders of the sets, and the most questions to ask of one."""

    data: Path
    sets: Path | None
    at_most: int


def unique_answers(sources: Sources, split: Split) -> Mapping[str, Make]:
    """Returns stores in which every text has an answer of its own."""
    return {
        "Quora": lambda: of_pairs("Quora", qqp(sources.data, split), sources.at_most),
        "MRPC": lambda: of_pairs("MRPC", _mrpc(sources, split), sources.at_most),
        "STS-b": lambda: of_pairs("STS-b", _sts(sources, split), sources.at_most),
        "CLINC150": lambda: _clinc(sources, split, unique=True),
        "banking77": lambda: _banking(sources, split, unique=True),
    }


def unlearnt(sources: Sources) -> Mapping[str, Make]:
    """Returns the test parts of the same stores, asked only about intents that the verifier was not trained on."""

    def strange(store: Store) -> Store:
        asked = [ask for ask in store.asked if ask.meaning is not None and held_out(ask.meaning)]
        return replace(store, name=f"{store.name}, intents never learnt", asked=asked)

    return {
        "CLINC150, intents never learnt": lambda: strange(_clinc(sources, Split.TEST, unique=True)),
        "banking77, intents never learnt": lambda: strange(_banking(sources, Split.TEST, unique=True)),
    }


def unanswered(sources: Sources, split: Split) -> Mapping[str, Make]:
    """Returns stores in which nothing answers the questions."""
    oos = partial(_out_of_scope, sources, split)
    return {
        "Quora, no duplicate stored": lambda: stores.without_duplicate(
            "Quora, no duplicate stored", qqp(sources.data, split), sources.at_most
        ),
        "CLINC150, out of scope": lambda: oos(unique=True),
        "CLINC150, out of scope, an answer an intent": lambda: oos(unique=False),
    }


def intent_answers(sources: Sources, split: Split) -> Mapping[str, Make]:
    """Returns stores in which all texts of an intent have the same answer."""
    return {
        "banking77, an answer an intent": lambda: _banking(sources, split, unique=False),
        "CLINC150, an answer an intent": lambda: _clinc(sources, split, unique=False),
    }


def mixed(sources: Sources, split: Split) -> Mapping[str, Make]:
    """Returns one store with all the texts that have answers of their own."""

    def make() -> Store:
        parts = [build() for build in [*unique_answers(sources, split).values(), *_strangers(sources, split)]]
        return stores.mixed("All of them in one store", parts, sources.at_most // len(parts))

    return {"All of them in one store": make}


def all_stores(sources: Sources, split: Split) -> Mapping[str, Make]:
    """Returns every store of a split."""
    kinds = (unique_answers, unanswered, intent_answers, mixed)
    return {name: make for kind in kinds for name, make in kind(sources, split).items()}


def lone_pairs(sources: Sources, split: Split) -> Mapping[str, MakePairs]:
    """Returns pairs of which one text is stored and the other asked, with nothing else in the store."""
    return {
        "Quora": lambda: sample(qqp(sources.data, split), sources.at_most),
        "MRPC": lambda: sample(_mrpc(sources, split), sources.at_most),
        "STS-b": lambda: sample(_sts(sources, split), sources.at_most),
        "Quora, two words swapped (made)": lambda: swaps(
            [pair.first for pair in qqp(sources.data, split)], sources.at_most
        ),
    }


def paraphrases(sources: Sources) -> Mapping[str, Make]:
    """Returns GPTCache's benchmark, where only the text that a paraphrase was made from is right."""

    def make() -> Store:
        pairs = gptcache(sources.data)
        stored = [Entry(text, text, text) for text in dict.fromkeys(pair.first for pair in pairs)]
        return Store("GPTCache", stored, [Ask(pair.second, pair.first) for pair in pairs])

    return {"GPTCache": make}


def translated(sources: Sources, split: Split, language: str) -> list[Pair]:
    """Returns some of STS-b's pairs in another language."""
    return sample(more_sets.sts(sources.sets, _STS_PARTS[split], language), _TRANSLATED)


_STS_PARTS: Final = {Split.VALIDATION: "dev", Split.TEST: "test"}
_PARTS: Final = {Split.VALIDATION: "val", Split.TEST: "test"}


def _sts(sources: Sources, split: Split) -> list[Pair]:
    return more_sets.sts(sources.sets, _STS_PARTS[split])


def _mrpc(sources: Sources, split: Split) -> list[Pair]:
    return more_sets.mrpc(sources.sets, _PARTS[split])


def _clinc(sources: Sources, split: Split, *, unique: bool) -> Store:
    name = "CLINC150" if unique else "CLINC150, an answer an intent"
    stored, asked = (more_sets.clinc(sources.sets, part) for part in ("train", _PARTS[split]))
    if split is Split.VALIDATION:
        asked = _strange(asked)
    return of_intents(name, stored, asked, sources.at_most, unique=unique)


def _out_of_scope(sources: Sources, split: Split, *, unique: bool) -> Store:
    store = _clinc(sources, split, unique=unique)
    asked = [text for text, _ in more_sets.clinc(sources.sets, f"oos_{_PARTS[split]}")]
    name = "CLINC150, out of scope" if unique else "CLINC150, out of scope, an answer an intent"
    return stores.out_of_scope(store, name, asked)


def _banking(sources: Sources, split: Split, *, unique: bool) -> Store:
    name = "banking77" if unique else "banking77, an answer an intent"
    stored: Sequence[tuple[str, str]] = intents(sources.data, "train")
    asked = intents(sources.data, "test")
    if split is Split.VALIDATION:
        shuffled = random.Random(_SEED).sample(stored, len(stored))
        stored, asked = shuffled[_ASKED_OF_TRAIN:], _strange(shuffled[:_ASKED_OF_TRAIN])
    return of_intents(name, stored, asked, sources.at_most, unique=unique)


def _strange(asked: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Returns those of intents that the verifier was not trained on, since it knows the others too well."""
    return [(text, intent) for text, intent in asked if held_out(intent)]


def _strangers(sources: Sources, split: Split) -> list[Make]:
    found = unanswered(sources, split)
    return [found["Quora, no duplicate stored"], found["CLINC150, out of scope"]]
