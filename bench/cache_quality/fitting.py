"""Fits the weights of the rule on validation parts: python -m bench.cache_quality.fitting --data FOLDER --sets FOLDER.

Every set allows a share of its hits to be wrong or, where nothing is right, a share of its lookups. A right answer is
worth one, and a wrong one beyond the allowance costs many: the aim is the most recall within the allowances.
"""

import argparse
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Final

from bench.cache_quality import inputs, sets
from bench.cache_quality.judging import Compared, Judge
from bench.cache_quality.more_sets import SetMissing
from bench.cache_quality.pairs import Split

from weft_cache.config import Config
from weft_cache.semantic.choice import Miss
from weft_cache.semantic.scoring import (
    WEIGHTS,
    Evidence,
    Neighbour,
    Weights,
    evidence,
    weighed,
)

_ASKED: Final = 1200
_SERVED: Final = 0.5
"""The certainty at which weights are compared; the shipped threshold is measured afterwards (calibrating.py)."""
_EXCESS: Final = 100.0
"""The cost of a wrong answer beyond the allowance, in right ones."""
_STEPS: Final = (0.5, 0.8, 0.9, 1.1, 1.25, 2.0)
_MOVES: Final = {"middle": (-0.02, -0.01, -0.005, 0.005, 0.01, 0.02), "verifier_middle": (-1.0, -0.5, 0.5, 1.0)}
_ROUNDS: Final = 4
_STARTS: Final = (
    WEIGHTS,
    Weights(110.0, 0.91, 0.03, 0.33, 2.5, 1.0, 0.3),
    Weights(60.0, 0.91, 0.03, 0.33, 2.5, 1.5, 0.3),
    Weights(110.0, 0.92, 0.03, 0.2, 1.5, 1.5, 0.3),
)
"""Several starts, because small steps end at the nearest optimum."""

Weighable = Sequence[tuple[Evidence, bool]]


@dataclass(frozen=True, slots=True)
class Allowance:
    """How much may be wrong: a share of the hits, and a share of the lookups."""

    of_hits: float
    of_lookups: float = 0.0


# The first entry whose name begins the set's name applies. They are below the aims, because new texts are never like
# those seen. Labels are in doubt: of 29 hits of Quora's questions without a duplicate, all of which count as wrong, 23
# read like one; lone pairs were chosen to be hard, and STS-b's labels are grades.
_ALLOWANCES: Final = {
    "Quora, no duplicate": Allowance(0.0, 0.02),
    "Quora, two words swapped": Allowance(0.0, 0.04),
    "CLINC150, out of scope": Allowance(0.0, 0.005),
    "CLINC150, an answer": Allowance(0.008),
    "banking77, an answer": Allowance(0.008),
    "CLINC150": Allowance(0.015),
    "banking77": Allowance(0.015),
    "Quora, lone": Allowance(0.1),
    "Quora": Allowance(0.035),
    "All of them": Allowance(0.08),
    "MRPC": Allowance(0.06),
    "STS-b": Allowance(0.13),
}


@dataclass(frozen=True, slots=True)
class Lookups:
    """A set's lookups, each with its candidates' evidence and whether they are right, and the set's allowance."""

    name: str
    lookups: Sequence[Weighable]
    allowed: Allowance

    def worth(self, weights: Weights) -> float:
        """Returns the worth of a lookup, on average."""
        right = wrong = 0
        for candidates in self.lookups:
            certainty, is_right = max(
                ((weighed(found, weights), is_right) for found, is_right in candidates), default=(0.0, False)
            )
            if certainty >= _SERVED:
                right, wrong = right + is_right, wrong + (not is_right)
        allowed = self.allowed.of_hits * (right + wrong) + self.allowed.of_lookups * len(self.lookups)
        return (right - _EXCESS * max(0.0, wrong - allowed)) / len(self.lookups)


def fit(found: Sequence[Lookups]) -> Weights:
    """Returns the best weights that any start leads to."""
    return max((_climbed(found, start) for start in _STARTS), key=lambda weights: _worth(found, weights))


def _climbed(found: Sequence[Lookups], start: Weights) -> Weights:
    """Returns weights improved one at a time, as long as that is worth more."""
    best, worth = start, _worth(found, start)
    for _ in range(_ROUNDS):
        before = worth
        for name in (field.name for field in fields(Weights)):
            for weights in _neighbours(best, name):
                if (reached := _worth(found, weights)) > worth:
                    best, worth = weights, reached
        print(f"worth {worth:.4f} with {best}", flush=True)
        if worth == before:
            break
    return best


def _worth(found: Sequence[Lookups], weights: Weights) -> float:
    return sum(one.worth(weights) for one in found) / len(found)


def _neighbours(weights: Weights, name: str) -> Iterable[Weights]:
    value = getattr(weights, name)
    moved = [value + step for step in _MOVES[name]] if name in _MOVES else [value * factor for factor in _STEPS]
    return [replace(weights, **{name: round(other, 4)}) for other in moved]


def gathered(judge: Judge, sources: sets.Sources) -> list[Lookups]:
    """Returns the lookups of all validation parts."""
    found = [_of_store(judge, make) for make in sets.all_stores(sources, Split.VALIDATION).values()]
    for name, make in sets.lone_pairs(sources, Split.VALIDATION).items():
        pairs = make()
        compared = judge.pairs(pairs)
        found.append(_lookups(f"{name}, lone", compared, lambda asked, _, of=pairs: of[asked].same))
    return found


def _of_store(judge: Judge, make: sets.Make) -> Lookups:
    store = make()
    return _lookups(store.name, judge.lookups(store), store.is_right)


def _lookups(name: str, compared: Sequence[Compared], is_right: Callable[[int, int], bool]) -> Lookups:
    rows = [list(_weighable(asked, one, is_right)) for asked, one in enumerate(compared)]
    print(f"{name}: {len(rows)} lookups, {sum(map(len, rows))} candidates", flush=True)
    return Lookups(name, rows, next(allowed for kind, allowed in _ALLOWANCES.items() if name.startswith(kind)))


def _weighable(asked: int, compared: Compared, is_right: Callable[[int, int], bool]) -> Iterable[tuple[Evidence, bool]]:
    if isinstance(compared.listed, Miss):
        return
    near = [
        Neighbour(one.similarity, one.told, confidence)
        for one, confidence in zip(compared.listed.compared, compared.confidences, strict=True)
    ]
    for candidate, neighbour in zip(compared.listed.compared, near, strict=True):
        if found := evidence(neighbour, near):
            yield found, is_right(asked, int(candidate.key))


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench.cache_quality.fitting", description=__doc__)
    inputs.add_options(parser)
    given = parser.parse_args()
    judge = inputs.judge_of(given, Config.load(), least_certain=0.0)
    try:
        found = gathered(judge, inputs.sources_of(given, _ASKED))
    except SetMissing as problem:
        sys.exit(str(problem))
    best = fit(found)
    print(best)
    for one in found:
        print(f"{one.name}: worth {one.worth(best):.3f}")


if __name__ == "__main__":
    main()
