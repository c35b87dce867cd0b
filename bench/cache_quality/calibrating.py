"""Measures the shipped calibration on questions kept apart for it: python -m bench.cache_quality.calibrating."""

import argparse
import random
from pathlib import Path

from bench import evaldata
from bench.cache_quality.judging import Judge
from bench.cache_quality.pairs import intents
from bench.cache_quality.reading import Reader

from weft_cache.calibration import Point, measured
from weft_cache.config import Config

_PRECISIONS = (0.97, 0.975, 0.98, 0.9825, 0.985, 0.9875, 0.99)
_ASKED = 3000


def calibration(judge: Judge, folder: Path) -> list[Point]:
    """Of banking77's train split, so many utterances are looked up among the rest."""
    found = intents(folder, "train")
    random.Random(7).shuffle(found)
    stored, asked = list(dict(found[_ASKED:]).items()), found[:_ASKED]
    judged = judge.lookups(stored, [text for text, _ in asked])
    pairs = zip(judged, asked, strict=True)
    right = [one.surest >= 0 and stored[one.surest][1] == intent for one, (_, intent) in pairs]
    return measured([one.certainty for one in judged], right, _PRECISIONS)


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench.cache_quality.calibrating", description=__doc__)
    evaldata.add_option(parser)
    given = parser.parse_args()
    for point in calibration(Judge(Reader(), Config.load().floor), evaldata.folder(given.data)):
        print(point)


if __name__ == "__main__":
    main()
