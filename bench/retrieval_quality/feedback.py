"""What pseudo-relevance feedback changes: each leg alone and both, on what it was tuned on and on what it was not."""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from bench.markdown import paragraph, table
from bench.retrieval_quality.corpora import Corpus
from bench.retrieval_quality.quality import by_question, searched
from bench.retrieval_quality.stage import service

_WAYS: Final[Mapping[str, Mapping[str, float]]] = {
    "words alone": {"dense_weight": 0},
    "vectors alone": {"keyword_weight": 0},
    "both": {},
}
# A measurement is of what feedback finds; how long it takes is measured elsewhere.
_PATIENT: Final = {"feedback_budget_s": 60}
_NORMAL_95: Final = 1.96
_METHOD: Final = """\
A second pass of each leg: RM3 over the words that its best chunks share, Rocchio's formula over its nearest windows
(docs/retrieval.md). nDCG@10 without and with it; the difference is the mean over the questions with its 95 % interval.
Its settings were chosen on SciFact and CACM; the sets of known items had no say in them."""


@dataclass(frozen=True, slots=True)
class Change:
    """nDCG@10 of one way to search one corpus, without feedback and with it; `margin` is half the width of the 95 %
    interval of the difference.
    """

    corpus: str
    way: str
    questions: int
    without: float
    with_feedback: float
    margin: float


async def measure(corpora: Sequence[Corpus], postgres_url: str, inference: str) -> list[Change]:
    """Searches corpora that are ingested already."""
    changes = []
    for way, settings in _WAYS.items():
        async with service(postgres_url, inference, settings={**settings, **_PATIENT}) as client:
            for corpus in corpora:
                runs = [await searched(client, corpus, feedback=feedback) for feedback in (False, True)]
                changes.append(_change(corpus, way, *(by_question(corpus, run) for run in runs)))
                print(changes[-1], flush=True)
    return changes


def section(changes: Sequence[Change]) -> list[str]:
    """Writes the section of the report."""
    found = {(change.corpus, change.way): change for change in changes}
    corpora = dict.fromkeys(change.corpus for change in changes)
    head = ("", "questions", *(f"{way}{part}" for way in _WAYS for part in ("", ", with", ", difference")))
    rows = (
        (
            corpus,
            str(found[corpus, "both"].questions),
            *(cell for way in _WAYS for cell in _cells(found[corpus, way])),
        )
        for corpus in corpora
    )
    return ["### With feedback", "", *paragraph(_METHOD), *table(head, rows)]


def _cells(change: Change) -> tuple[str, ...]:
    difference = f"{change.with_feedback - change.without:+.3f} ± {change.margin:.3f}"
    return f"{change.without:.3f}", f"{change.with_feedback:.3f}", difference


def _change(corpus: Corpus, way: str, without: Mapping[str, float], with_feedback: Mapping[str, float]) -> Change:
    apart = [with_feedback[query] - without[query] for query in corpus.queries]
    margin = _NORMAL_95 * statistics.stdev(apart) / math.sqrt(len(apart))
    means = (statistics.fmean(figures.values()) for figures in (without, with_feedback))
    return Change(corpus.name, way, len(apart), *means, margin)
