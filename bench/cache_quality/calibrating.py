"""Measures the shipped calibration on validation parts: python -m bench.cache_quality.calibrating --sets FOLDER."""

import argparse
import sys
from collections.abc import Mapping, Sequence
from typing import Final

from bench.cache_quality import inputs, sets
from bench.cache_quality.judging import Judge
from bench.cache_quality.more_sets import SetMissing
from bench.cache_quality.pairs import Split
from bench.cache_quality.results import Result, of_store

from weft_cache.config import Config
from weft_cache.semantic.calibration import Lookups, measured

_PRECISIONS: Final = (0.8, 0.85, 0.9, 0.92, 0.93, 0.94, 0.95, 0.96, 0.97, 0.98, 0.985, 0.99)
_ASKED: Final = 3000
_LEAST_CERTAIN: Final = 0.05
"""Candidates that cannot reach this certainty are not compared, so nothing is known of lower thresholds."""
_KINDS: Final = {
    "questions": ("Quora",),
    "sentences": ("MRPC", "STS-b"),
    "intents, unique answers": ("CLINC150", "CLINC150, out of scope", "banking77"),
    "intents, an answer an intent": (
        "CLINC150, an answer an intent",
        "CLINC150, out of scope, an answer an intent",
        "banking77, an answer an intent",
    ),
    "all of them, and what none answers": ("All of them in one store",),
}


def stores(judge: Judge, sources: sets.Sources) -> dict[str, Result]:
    """Returns the rule's results on every validation store."""
    return {name: of_store(judge, make()) for name, make in sets.all_stores(sources, Split.VALIDATION).items()}


def kinds(results: Mapping[str, Result]) -> dict[str, Lookups]:
    """Returns certainties, and whether the answers were right, by the kind of store."""
    return {kind: _together([results[name] for name in names]) for kind, names in _KINDS.items()}


def _together(results: Sequence[Result]) -> Lookups:
    rows = [
        (float(one), bool(right))
        for each in results
        for one, right in zip(each.certainties, each.right, strict=True)
        if one >= _LEAST_CERTAIN
    ]
    return [one for one, _ in rows], [right for _, right in rows]


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench.cache_quality.calibrating", description=__doc__)
    inputs.add_options(parser)
    given = parser.parse_args()
    judge = inputs.judge_of(given, Config.load(), _LEAST_CERTAIN)
    try:
        found = kinds(stores(judge, inputs.sources_of(given, _ASKED)))
    except SetMissing as problem:
        sys.exit(str(problem))
    for kind, lookups in found.items():
        print(kind, *measured([lookups], _PRECISIONS), sep="\n  ")
    print("the worst of them", *measured(list(found.values()), _PRECISIONS), sep="\n  ")


if __name__ == "__main__":
    main()
