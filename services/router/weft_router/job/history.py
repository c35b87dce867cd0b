"""The history of a job, from its events."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from google.protobuf import timestamp_pb2

from weft.job.v1 import event_pb2, job_pb2
from weft_kit.joblog.events.projection import note_attempts, withdraw
from weft_kit.rpc.time import seconds_of
from weft_router.job.transcript import AnswerSoFar

_TTL_TRUSTED = 0.9  # the log's clock is not ours


@dataclass(slots=True)
class History:
    """A job up to `last_sequence`."""

    accepted_sequence: int = 0
    last_sequence: int = 0
    claim_sequence: int = 0
    """Where the latest attempt began, or withdrew the text before it: its writer owns the job."""
    text_sequence: int = 0
    """Where the text so far ends; 0 when there is none."""
    deltas: list[event_pb2.JobEvent] = field(default_factory=list)
    attempts: list[job_pb2.Attempt] = field(default_factory=list)
    """Each attempt as its worker saw it end; without that, as lost."""
    tokens: Counter[int] = field(default_factory=Counter)
    """The tokens of each attempt, by its number, withdrawn or not; attempts that only listened spent nothing."""
    first_token_time: timestamp_pb2.Timestamp | None = None
    cancel_message: str | None = None
    is_done: bool = False

    @property
    def is_over(self) -> bool:
        """Whether nothing is left to do: the job is terminal, or past the log's retention."""
        return self.is_done or not self.last_sequence

    def may_be_torn(self, now_unix_s: float, delta_ttl_s: float) -> bool:
        """Returns whether deltas may have expired since the first attempt, so that those left are not the whole
        text.
        """
        began = seconds_of(self.attempts[0].start_time) if self.attempts else now_unix_s
        return now_unix_s - began > delta_ttl_s * _TTL_TRUSTED

    @classmethod
    def of(cls, events: Iterable[event_pb2.JobEvent]) -> "History":
        """Folds events, in order."""
        history = cls()
        for event in events:
            history._take(event)
        return history

    def transcript(self) -> AnswerSoFar:
        """Returns the text of the deltas that were not withdrawn."""
        said = AnswerSoFar()
        for event in self.deltas:
            said.add(event.delta)
        return said

    def _take(self, event: event_pb2.JobEvent) -> None:
        self.last_sequence = event.sequence
        match event.WhichOneof("event"):
            case "accepted":
                self.accepted_sequence = event.sequence
            case "started":
                self.claim_sequence = event.sequence
                note_attempts(self.attempts, event)
            case "released":
                note_attempts(self.attempts, event)
            case "delta":
                if not self._listens:
                    self.tokens[len(self.attempts)] += event.delta.token_count
                self.first_token_time = self.first_token_time or event.time
                self.deltas.append(event)
                self.text_sequence = event.sequence
            case "rewound":
                self.claim_sequence = event.sequence
                withdraw(self.deltas, event)
                self.text_sequence = self.deltas[-1].sequence if self.deltas else 0
            case "cancel_requested":
                self.cancel_message = event.cancel_requested.message
            case "done" | "deleted":
                self.is_done = True

    @property
    def _listens(self) -> bool:
        return bool(self.attempts) and bool(self.attempts[-1].joined_job_id)
