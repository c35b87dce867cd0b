"""The training parts of the sets beside Quora's: statements with labels, and utterances with their intents.

A folder holds `msr/msr-para-{train,val,test}.tsv`, `stsb/en-{train,dev,test}.csv` and `clinc150/data_full.json`, as
their publishers lay them out.
"""

import csv
import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from bench.cache_quality.pairs import Pair, intents

_SAME_FROM: Final = 4.5
_DIFFERENT_TO: Final = 3.4  # what is scored in between is left out
_HELD_OUT: Final = 20  # of a hundred intents
OUT_OF_SCOPE: Final = "oos"

Utterance = tuple[str, str]


def statements(folder: Path) -> list[Pair]:
    """MRPC's and STS-b's training pairs without the sentences of their other parts: STS-b took some of MRPC's."""
    measured = {
        _plain(text)
        for pair in (*_mrpc(folder, "val"), *_mrpc(folder, "test"), *_stsb(folder, "dev"), *_stsb(folder, "test"))
        for text in (pair.first, pair.second)
    }
    pairs = [*_mrpc(folder, "train"), *_stsb(folder, "train")]
    return [pair for pair in pairs if not {_plain(pair.first), _plain(pair.second)} & measured]


def utterances(folder: Path, data: Path) -> list[Utterance]:
    """CLINC150's and banking77's training utterances of the intents that are learnt from, and some out of scope."""
    clinc = json.loads((folder / "clinc150" / "data_full.json").read_text("utf-8"))
    scoped = [(text, intent) for text, intent in [*clinc["train"], *intents(data, "train")] if not held_out(intent)]
    return scoped + [(text, OUT_OF_SCOPE) for text, _ in clinc["oos_train"]]


def held_out(intent: str) -> bool:
    """One intent in five is not learnt from at all, to see what becomes of strange ones."""
    return int.from_bytes(hashlib.blake2b(intent.encode(), digest_size=8).digest(), "big") % 100 < _HELD_OUT


def missing(folder: Path) -> list[Path]:
    """The files that are not there."""
    names = [
        "clinc150/data_full.json",
        *(f"msr/msr-para-{part}.tsv" for part in ("train", "val", "test")),
    ]
    names += [f"stsb/en-{part}.csv" for part in ("train", "dev", "test")]
    return [folder / name for name in names if not (folder / name).is_file()]


def _plain(text: str) -> str:
    return re.sub(r"\W+", " ", text.lower()).strip()


def _mrpc(folder: Path, part: str) -> Iterator[Pair]:
    lines = (folder / "msr" / f"msr-para-{part}.tsv").read_text("utf-8-sig").splitlines()
    for line in lines[1:]:
        quality, _, _, first, second = line.split("\t")
        yield Pair(first, second, quality == "1")


def _stsb(folder: Path, part: str) -> Iterator[Pair]:
    with (folder / "stsb" / f"en-{part}.csv").open(encoding="utf-8", newline="") as handle:
        for first, second, score in csv.reader(handle):
            if not _DIFFERENT_TO < float(score) < _SAME_FROM:
                yield Pair(first, second, float(score) >= _SAME_FROM)
