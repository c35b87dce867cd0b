"""One job that a worker runs."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from google.protobuf import timestamp_pb2

from weft.common.v1 import chat_pb2
from weft.inference.v1 import inference_pb2
from weft.job.v1 import event_pb2, job_pb2
from weft_kit.catalog.catalog import ModelAlias
from weft_kit.catalog.routing import Timeouts
from weft_kit.joblog import Step, pieces
from weft_kit.rpc.time import now, seconds_of
from weft_router.job.answer_limit import AnswerLimit
from weft_router.job.token_estimate import estimated_tokens
from weft_router.job.transcript import AnswerSoFar
from weft_router.job.usage import summed

LONGEST_LIFE_S = 24 * 3600.0


class JobFailed(Exception):
    """The job cannot succeed; `error` goes into its record."""

    def __init__(self, error: job_pb2.JobError) -> None:
        super().__init__(error.message)
        self.error = error


@dataclass(frozen=True, slots=True)
class JobOrder:
    """What providers are asked under one alias; the same in every attempt."""

    alias: ModelAlias
    max_tokens: int
    timeouts: Timeouts
    limit: AnswerLimit
    may_be_replaced: bool = False
    """Whether the text may be a draft, or turn out not to be good enough: such text is never continued."""
    checks_form: bool = True
    """Whether an answer that violates its format fails its attempt; if not, the escalation rule decides."""


@dataclass(frozen=True, slots=True)
class JobStanding:
    """A complete answer that is kept in the log until a better one begins."""

    finished: inference_pb2.Finished
    attempt: job_pb2.Attempt


class Record(Protocol):
    """Where the steps of a job are written: its log, or the replay buffer of a call that several jobs share."""

    @property
    def last_sequence(self) -> int: ...

    async def append(self, step: Step, /) -> int:
        """Commits a step and returns its sequence. Raises Fenced if another writer has moved the job on."""
        ...


@dataclass(slots=True)
class Job:
    """The state of a job while it runs."""

    job_id: str
    accepted: event_pb2.Accepted
    accepted_sequence: int
    writer: Record
    flush_interval_s: float = 0.0
    """How long tokens are collected before they are written."""
    said: AnswerSoFar = field(default_factory=AnswerSoFar)
    """The text in the log, and what the current attempt adds to it."""
    text_sequence: int = 0
    """Where the text in the log ends; 0 when there is none."""
    is_torn: bool = False
    """Whether parts of the text may be missing."""
    resumes_after: int = 0
    """Where the text ends that the latest attempt continued; 0 if it began with nothing."""
    attempts: list[job_pb2.Attempt] = field(default_factory=list)
    answering: job_pb2.Attempt | None = None
    """The latest attempt that this worker has begun in the log: the text there is its own."""
    standing: JobStanding | None = None
    spent: chat_pb2.Usage = field(default_factory=chat_pb2.Usage)
    """Usage of every attempt that ended."""
    messages: Sequence[chat_pb2.Message] = ()
    """The prompt: what was sent, with the sources once they are found."""
    sources: list[job_pb2.Source] = field(default_factory=list)
    sources_left_out: int = 0
    collection_version: int = 0
    worker: str = ""
    """The router that runs it, as its record names it."""
    is_follower: bool = False
    """Whether it is answered by a call that is recorded for another job."""
    first_token_time: timestamp_pb2.Timestamp | None = None
    unexplained: int = 0
    """Refusals of which it is not known whether other providers would refuse too."""
    request: job_pb2.GenerationRequest = field(init=False)

    def __post_init__(self) -> None:
        self.request = self.accepted.request

    @property
    def next_number(self) -> int:
        """The number of the next attempt."""
        return max((attempt.number for attempt in self.attempts), default=0) + 1

    def left_s(self, now_unix_s: float) -> float:
        """Returns the job's remaining life in seconds; not positive once it has expired."""
        if not self.accepted.HasField("expire_time"):
            return LONGEST_LIFE_S
        return seconds_of(self.accepted.expire_time) - now_unix_s

    def asked(self, model: str, max_tokens: int, *, goes_on: bool) -> inference_pb2.GenerateRequest:
        """Returns the request for a provider, which may continue the text so far."""
        sampling = chat_pb2.SamplingParams()
        sampling.CopyFrom(self.request.sampling)
        sampling.max_tokens = max_tokens - (self.said.token_count if goes_on else 0)
        asked = self.request
        return inference_pb2.GenerateRequest(
            model=model,
            messages=self.messages,
            sampling=sampling,
            tools=asked.tools,
            tool_choice=asked.tool_choice,
            response_format=asked.response_format if asked.HasField("response_format") else None,
            prefix=self.said.text if goes_on else "",
        )

    async def begin(self, attempt: job_pb2.Attempt) -> None:
        """Writes to the log that an attempt begins, and how the previous one ended if this worker saw that.

        Raises:
            Fenced: another writer has moved the job on.
        """
        is_listed = attempt.number > 0
        started = event_pb2.Started(
            attempt=attempt.number or self.next_number,
            provider=attempt.provider,
            provider_model=attempt.provider_model,
            resumes_after=self.resumes_after,
            sources=self.sources,
            sources_left_out=self.sources_left_out,
            previous=self.answering,
            joined_job_id=attempt.joined_job_id,
            worker=self.worker,
            prompt_tokens_estimate=0 if attempt.HasField("error") else estimated_tokens(self.messages),
        )
        await self.writer.append(started)
        if not is_listed:
            self.enlist(attempt)
        self.answering = attempt

    def enlist(self, attempt: job_pb2.Attempt) -> None:
        """Adds an attempt to the job's record."""
        attempt.number = self.next_number
        attempt.worker = self.worker
        attempt.start_time.CopyFrom(now())
        self.attempts.append(attempt)

    def resume_after(self, sequence: int) -> None:
        """Notes where the text ends that the next attempt continues; 0 if it begins with nothing."""
        self.resumes_after = sequence

    def note_first_token(self) -> None:
        """Notes when the job's first token came; later ones change nothing."""
        self.first_token_time = self.first_token_time or now()

    def note_committed_text(self) -> None:
        """Notes that all text so far is in the log."""
        self.text_sequence = self.writer.last_sequence

    async def say(self, text: event_pb2.Delta) -> None:
        """Commits text all at once, in pieces that fit a message.

        Raises:
            Fenced: another writer has moved the job on.
        """
        for piece in pieces(text):
            self.text_sequence = await self.writer.append(piece)
        self.said.add(text)

    async def withdraw(self) -> None:
        """Withdraws the text that readers have, if any.

        Raises:
            Fenced: another writer has moved the job on.
        """
        if self.said or self.is_torn:
            await self.writer.append(event_pb2.Rewound(to_sequence=self.accepted_sequence))
            self.start_over()

    def keep_standing(self, finished: inference_pb2.Finished, attempt: job_pb2.Attempt) -> None:
        """Keeps a complete answer in case no better one comes."""
        self.standing = JobStanding(finished, attempt)

    def use_context(
        self,
        messages: Sequence[chat_pb2.Message],
        sources: Iterable[job_pb2.Source],
        *,
        left_out: int,
        collection_version: int,
    ) -> None:
        """Replaces the messages as sent by a prompt with sources."""
        self.messages, self.sources = messages, list(sources)
        self.sources_left_out, self.collection_version = left_out, collection_version

    def share_sources(self, started: event_pb2.Started) -> None:
        """Takes over the sources of another job's call that it listens to."""
        self.sources, self.sources_left_out = list(started.sources), started.sources_left_out

    def add_usage(self, taken: chat_pb2.Usage) -> None:
        """Adds the usage of an attempt."""
        self.spent = summed((self.spent, taken))

    def note_follower(self, *, is_billed: bool) -> None:
        """Notes that a call on another job's record answers it, unless some of that is its own to pay."""
        self.is_follower = not is_billed

    def count_refusal(self, *, is_explained: bool) -> None:
        """Counts a refusal of which it is not known whether other providers would refuse too."""
        self.unexplained += not is_explained

    def release(self) -> job_pb2.Attempt | None:
        """Returns the current attempt, which another worker takes over; None if there is none."""
        attempt, self.answering = self.answering, None
        return attempt

    def start_over(self) -> None:
        """Forgets what was said: it has been withdrawn."""
        if self.standing is not None:
            self.standing.attempt.result = job_pb2.Attempt.RESULT_REPLACED
            self.standing = None
        self.said = AnswerSoFar()
        self.text_sequence = 0
        self.is_torn = False
