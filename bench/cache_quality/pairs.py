"""Question pairs of the evaluation data, split so that no question is on two sides."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from bench.evaldata import loaders


@dataclass(frozen=True, slots=True)
class Pair:
    """Two questions, and whether the answer to one may serve the other."""

    first: str
    second: str
    same: bool


class Split(Enum):
    """TRAIN made the weights, VALIDATION chose the thresholds, TEST did neither."""

    TRAIN = range(60)
    VALIDATION = range(60, 70)
    TEST = range(70, 100)


def qqp(folder: Path, split: Split) -> list[Pair]:
    """Returns Quora's pairs of one split, in the order of the file."""
    pairs = [Pair(row.first, row.second, row.same) for row in loaders(folder).qqp()]
    family = families((pair.first, pair.second) for pair in pairs)
    return [pair for pair in pairs if _percentile(family[pair.first]) in split.value]


def families(links: Iterable[tuple[str, str]]) -> Mapping[str, str]:
    """Returns for every question the one that stands for all it is linked with, directly or through others."""
    parent: dict[str, str] = {}

    def root(question: str) -> str:
        while (above := parent.setdefault(question, question)) != question:
            parent[question] = question = parent[above]
        return question

    for one, other in links:
        low, high = sorted((root(one), root(other)))
        parent[high] = low  # the least of a family stands for it, whatever the order of the links
    return {question: root(question) for question in parent}


def _percentile(question: str) -> int:
    return int.from_bytes(hashlib.blake2b(question.encode(), digest_size=8).digest(), "big") % 100


def gptcache(folder: Path) -> list[Pair]:
    """Returns GPTCache's 999 pairs, each of two texts that ask the same."""
    return [Pair(row.first, row.second, row.same) for row in loaders(folder).gptcache_mock()]


def intents(folder: Path, split: str) -> list[tuple[str, str]]:
    """Returns banking77's utterances of its own split `train` or `test`, each with its intent."""
    return [(row.text, row.intent) for row in loaders(folder).banking77() if row.split == split]
