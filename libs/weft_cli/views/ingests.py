"""Shows ingest jobs to people."""

from collections.abc import Iterable

from rich.console import RenderableType

from weft.job.v1 import ingest_pb2
from weft.retrieval.v1 import retrieval_pb2 as pb
from weft_cli.views.durations import moment, span
from weft_cli.views.jobs import reason, state_text
from weft_cli.views.layout import columns, fact_sheet, or_none

_OUTCOMES = ("created", "updated", "unchanged", "duplicate", "failed")


def ingests_table(jobs: Iterable[pb.IngestJob]) -> RenderableType:
    table = columns(
        "job", "state", "accepted UTC", "collection", "done", "failed", wraps={"accepted UTC", "collection"}
    )
    for job in jobs:
        accepted, failed = moment(job.accept_time).removesuffix(" UTC"), job.progress.failed
        done = _done_of(job.progress)
        table.add_row(job.job_id, state_text(job.state), accepted, job.collection, done, f"{failed}" if failed else "")
    return or_none(table, "no ingest jobs")


def ingest_record(job: pb.IngestJob) -> RenderableType:
    """Returns a job's record: the outcome for its documents, and those that failed by name."""
    facts = fact_sheet()
    facts.add_row("job", job.job_id)
    facts.add_row("state", state_text(job.state))
    if job.HasField("error"):
        facts.add_row("error", f"{reason(job.error)}: {job.error.message}")
    facts.add_row("collection", job.collection)
    facts.add_row("documents", f"{_done_of(job.progress)}: {_counts(job.progress)}")
    facts.add_row("chunks", f"{job.progress.chunks}, {job.progress.embedded_chunks} of them embedded")
    if job.HasField("end_time"):
        facts.add_row("took", f"{span(job.duration)}, the embedder busy for {job.embedder_share:.0%} of it")
    for failure in job.progress.failures:
        facts.add_row("failed", f"{failure.document_id}: {reason(failure.error)}: {failure.error.message}")
    return facts


def _done_of(progress: ingest_pb2.IngestProgress) -> str:
    return f"{sum(getattr(progress, outcome) for outcome in _OUTCOMES)} of {progress.documents}"


def _counts(progress: ingest_pb2.IngestProgress) -> str:
    counts = {outcome: getattr(progress, outcome) for outcome in _OUTCOMES}
    return ", ".join(f"{count} {outcome}" for outcome, count in counts.items() if count) or "none done"
