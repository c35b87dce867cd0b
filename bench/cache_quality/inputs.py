"""The options of every program here: folders of sets, and the file that keeps readings."""

import argparse
from pathlib import Path

from bench import evaldata
from bench.cache_quality.judging import Judge
from bench.cache_quality.reading import Reader
from bench.cache_quality.readings import Readings, kept_at
from bench.cache_quality.sets import Sources

from weft_cache.config import Config
from weft_cache.semantic.coverage import Coverage


def add_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options for `judge_of` and `sources_of`."""
    evaldata.add_option(parser)
    evaldata.add_sets_option(parser)
    parser.add_argument("--readings", type=Path, default=kept_at(), help="file that keeps vectors and confidences")


def sources_of(given: argparse.Namespace, at_most: int) -> Sources:
    """Returns the folders that were given; at most `at_most` questions of a set are asked."""
    return Sources(evaldata.folder(given.data), evaldata.sets_folder(given.sets), at_most)


def judge_of(given: argparse.Namespace, config: Config, least_certain: float) -> Judge:
    """Returns a judge with the cache's settings, which compares candidates that may be `least_certain`."""
    reader = Reader(Readings(given.readings), Coverage.of(config.languages))
    return Judge(reader, config.floor, least_certain)
