"""Three more public sets, as files of a second folder (bench/CACHE.md says from where): intents, sentences, news."""

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from bench.cache_quality.pairs import Pair

LANGUAGES: Final = ("de", "es", "fr", "it", "nl", "pl", "pt", "ru", "ja", "zh")
"""The languages into which STS-b's English sentences were translated."""
_SAME: Final = 4.0  # "mostly equivalent, some unimportant details differ", and above


class SetMissing(Exception):
    """No folder was given, or it does not have the files of a set; the message says which."""


def clinc(folder: Path | None, part: str) -> list[tuple[str, str]]:
    """Returns CLINC150's utterances of a part (train, val, test; or out of scope, such as oos_test), with intents."""
    rows = json.loads(_file(folder, "clinc150/data_full.json").read_text("utf-8"))[part]
    return [(text, intent) for text, intent in rows]


def sts(folder: Path | None, part: str, language: str = "en") -> list[Pair]:
    """Returns STS-b's sentence pairs of a part: train, dev or test; from four of five points on, they are the same."""
    return [Pair(first, second, score >= _SAME) for first, second, score in scored(folder, part, language)]


def scored(folder: Path | None, part: str, language: str = "en") -> Iterator[tuple[str, str, float]]:
    """Yields STS-b's sentence pairs of a part with their scores, from 0, nothing in common, to 5, the same."""
    with _file(folder, f"stsb/{language}-{part}.csv").open(encoding="utf-8", newline="") as handle:
        for first, second, score in csv.reader(handle):
            yield first, second, float(score)


def mrpc(folder: Path | None, part: str) -> list[Pair]:
    """Returns pairs of sentences from news, of a part: train, val or test, as two of three people judged them."""
    with _file(folder, f"msr/msr-para-{part}.tsv").open(encoding="utf-8-sig", newline="") as handle:
        rows = list(csv.reader(handle, delimiter="\t", quoting=csv.QUOTE_NONE))
    return [Pair(first, second, label == "1") for label, _, _, first, second in rows[1:]]


def _file(folder: Path | None, name: str) -> Path:
    if folder is None:
        raise SetMissing(f"no {name}: name the folder that holds it (SETS=folder)")
    if not (folder / name).is_file():
        raise SetMissing(f"no {name} in the folder of further sets")
    return folder / name
