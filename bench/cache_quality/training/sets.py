"""The training parts of the sets other than Quora's: statements with labels, and utterances with intents."""

import hashlib
import re
from pathlib import Path
from typing import Final

from bench.cache_quality.more_sets import clinc, mrpc, scored, sts
from bench.cache_quality.pairs import Pair, intents

_SAME_FROM: Final = 4.5
_DIFFERENT_TO: Final = 3.4  # pairs with a score in between are left out
_HELD_OUT: Final = 20  # of a hundred intents
OUT_OF_SCOPE: Final = "oos"

Utterance = tuple[str, str]


def statements(folder: Path) -> list[Pair]:
    """Returns MRPC's and STS-b's training pairs without sentences of their other parts: STS-b has some of MRPC's."""
    measured = {
        _plain(text)
        for pair in (*mrpc(folder, "val"), *mrpc(folder, "test"), *sts(folder, "dev"), *sts(folder, "test"))
        for text in (pair.first, pair.second)
    }
    pairs = [*mrpc(folder, "train"), *_sts(folder)]
    return [pair for pair in pairs if not {_plain(pair.first), _plain(pair.second)} & measured]


def utterances(folder: Path, data: Path) -> list[Utterance]:
    """Returns CLINC150's and banking77's training utterances of the intents to train on, and some out of scope."""
    labelled = [*clinc(folder, "train"), *intents(data, "train")]
    scoped = [(text, intent) for text, intent in labelled if not held_out(intent)]
    return scoped + [(text, OUT_OF_SCOPE) for text, _ in clinc(folder, "oos_train")]


def held_out(intent: str) -> bool:
    """Returns whether an intent, one in five, is left out of training, to measure unfamiliar ones."""
    return int.from_bytes(hashlib.blake2b(intent.encode(), digest_size=8).digest(), "big") % 100 < _HELD_OUT


def _plain(text: str) -> str:
    return re.sub(r"\W+", " ", text.lower()).strip()


def _sts(folder: Path) -> list[Pair]:
    return [
        Pair(first, second, score >= _SAME_FROM)
        for first, second, score in scored(folder, "train")
        if not _DIFFERENT_TO < score < _SAME_FROM
    ]
