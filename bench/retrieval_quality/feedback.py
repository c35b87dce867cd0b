"""What pseudo-relevance feedback changes, on the sets it was tuned on and on others."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from bench.report.markdown import paragraph, table
from bench.retrieval_quality.corpora import Corpus, title
from bench.retrieval_quality.quality import by_question, margin, searched
from bench.retrieval_quality.stage import service

# This measures what feedback finds, however slow the machine is.
_PATIENT: Final = {"feedback_budget_s": 60}
_METHOD: Final = """\
nDCG@10 of searches without feedback and with it (docs/retrieval.md, "Feedback"); the difference is the mean over the
questions with its 95 % interval. Its settings were chosen on SciFact and CACM, and on nothing else."""


@dataclass(frozen=True, slots=True)
class Change:
    """nDCG@10 on one corpus without feedback and with it, and half the width of the difference's 95 % interval."""

    corpus: str
    questions: int
    without: float
    with_feedback: float
    margin: float


async def measure(corpora: Sequence[Corpus], postgres_url: str, inference: str) -> list[Change]:
    """Searches corpora that are already ingested."""
    changes = []
    async with service(postgres_url, inference, settings=_PATIENT) as client:
        for corpus in corpora:
            without, with_feedback = [
                by_question(corpus, await searched(client, corpus, feedback=feedback)) for feedback in (False, True)
            ]
            means = (statistics.fmean(figures.values()) for figures in (without, with_feedback))
            changes.append(Change(corpus.name, len(corpus.queries), *means, margin(with_feedback, without)))
            print(changes[-1], flush=True)
    return changes


def section(changes: Sequence[Change]) -> list[str]:
    """Returns the section of the report."""
    rows = (
        (
            title(change.corpus),
            str(change.questions),
            f"{change.without:.3f}",
            f"{change.with_feedback:.3f}",
            f"{change.with_feedback - change.without:+.3f} ± {change.margin:.3f}",
        )
        for change in changes
    )
    head = ("", "questions", "without", "with feedback", "difference")
    return ["### With feedback", "", *paragraph(_METHOD), *table(head, rows)]
