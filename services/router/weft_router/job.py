"""One job in a worker's hands."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from google.protobuf import timestamp_pb2

from weft.common.v1 import chat_pb2
from weft.job.v1 import event_pb2, job_pb2
from weft_kit.catalog import ModelAlias
from weft_kit.joblog import Writer
from weft_router.transcript import Transcript

LONGEST_LIFE_S = 24 * 3600.0


class JobFailed(Exception):
    """The job cannot succeed; `error` goes into its record."""

    def __init__(self, error: job_pb2.JobError) -> None:
        super().__init__(error.message)
        self.error = error


@dataclass(frozen=True, slots=True)
class Order:
    """What providers are asked for; the same in every attempt."""

    alias: ModelAlias
    max_tokens: int


@dataclass(slots=True)
class Job:
    """What is known of a job while it runs."""

    accepted: event_pb2.Accepted
    accepted_sequence: int
    writer: Writer
    said: Transcript = field(default_factory=Transcript)
    """What stands in the log, and what an attempt under way adds to it."""
    text_sequence: int = 0
    """Where the text in the log ends; 0 when there is none."""
    is_torn: bool = False
    """Whether parts of the text may be missing."""
    resumes_after: int = 0
    """Where the text ends that the latest attempt went on from; 0 when it began with nothing."""
    attempts: list[job_pb2.Attempt] = field(default_factory=list)
    inherited: int = 0
    """How many of the attempts other workers made."""
    spent: chat_pb2.Usage = field(default_factory=chat_pb2.Usage)
    """Usage of every attempt that ended."""
    messages: Sequence[chat_pb2.Message] = ()
    """The prompt: what was sent, with the sources once they are found."""
    sources: list[job_pb2.Source] = field(default_factory=list)
    collection_version: int = 0
    first_token_time: timestamp_pb2.Timestamp | None = None

    @property
    def request(self) -> job_pb2.GenerationRequest:
        return self.accepted.request

    @property
    def ended_here(self) -> job_pb2.Attempt | None:
        """The latest attempt, when this worker made it."""
        return self.attempts[-1] if len(self.attempts) > self.inherited else None

    def left_s(self, now_unix_s: float) -> float:
        """Return how long the job has to live, in seconds; not positive once it has expired."""
        if not self.accepted.HasField("expire_time"):
            return LONGEST_LIFE_S
        return self.accepted.expire_time.ToNanoseconds() / 1e9 - now_unix_s

    def start_over(self) -> None:
        """Forget what was said: it has been withdrawn."""
        self.said = Transcript()
        self.text_sequence = 0
        self.is_torn = False


def max_tokens(request: job_pb2.GenerationRequest, alias: ModelAlias) -> int:
    """Return the longest answer allowed: what was asked for, within the alias's limit."""
    asked, limit = request.sampling, alias.max_output_tokens
    return min(asked.max_tokens, limit) if asked.HasField("max_tokens") else limit
