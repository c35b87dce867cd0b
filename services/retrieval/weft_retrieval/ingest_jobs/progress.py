"""The outcomes of a job's documents, and how often to report them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from weft.job.v1 import ingest_pb2, job_pb2
from weft_kit.rpc.errors import WeftError
from weft_retrieval.ingest.ingest import IngestOutcome

FAILED = "failed"
"""The outcome of a document that could not be stored; the others are those of Ingest."""
Failures = Sequence[ingest_pb2.FailedDocument]

MAX_FAILURES = 100
"""How many failed documents one event, and a job's record, name."""
_SHORTEST_S = 0.2
_LONGEST_S = 10.0


@dataclass(frozen=True, slots=True)
class Progress:
    """Counts of one job. Documents without an outcome are still waiting."""

    documents: int
    outcomes: Mapping[str, int] = field(default_factory=dict)
    chunks: int = 0
    embedded: int = 0

    @property
    def settled(self) -> int:
        """Documents that have an outcome."""
        return sum(self.outcomes.values())

    def counting(self, outcome: str, chunks: int, embedded: int) -> "Progress":
        outcomes = {**self.outcomes, outcome: self.outcomes.get(outcome, 0) + 1}
        return replace(self, outcomes=outcomes, chunks=self.chunks + chunks, embedded=self.embedded + embedded)

    def to_wire(self, failures: Failures = ()) -> ingest_pb2.IngestProgress:
        counts = {outcome: self.outcomes.get(outcome, 0) for outcome in (*IngestOutcome, FAILED)}
        return ingest_pb2.IngestProgress(
            documents=self.documents,
            chunks=self.chunks,
            embedded_chunks=self.embedded,
            failures=failures,
            **counts,
        )


def failed(document_id: str, error: WeftError) -> ingest_pb2.FailedDocument:
    """Records a failed document with its error."""
    reason = job_pb2.JobError(reason=error.reason, message=error.message)
    return ingest_pb2.FailedDocument(document_id=document_id, error=reason)


def interval_s(age_s: float) -> float:
    """Returns how long to wait before progress is reported again, in seconds: 1 % of the job's age, 0.2 to 10.

    Somebody who watches a short job sees it move, and a long one does not fill the log: an hour is 600 events.
    """
    return min(max(_SHORTEST_S, age_s / 100), _LONGEST_S)
