"""One job in a worker's hands, and the records that are made of it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from google.protobuf import timestamp_pb2

from weft.common.v1 import chat_pb2, error_pb2
from weft.inference.v1 import inference_pb2
from weft.job.v1 import event_pb2, job_pb2
from weft_kit.catalog import ModelAlias
from weft_kit.joblog import Writer, text_hash
from weft_router.prompt import estimated_tokens
from weft_router.transcript import Transcript


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
    messages: Sequence[chat_pb2.Message]


@dataclass(slots=True)
class Job:
    """What is known of a job while it runs."""

    accepted: event_pb2.Accepted
    writer: Writer
    accepted_sequence: int
    claim_sequence: int
    """Where the latest attempt said that it begins, or withdrew the text before it: who wrote that owns the job."""
    said: Transcript
    """What stands in the log, and what an attempt under way adds to it."""
    text_sequence: int
    """Where the text in the log ends; 0 when there is none."""
    is_torn: bool = False
    """Whether parts of the text may be missing."""
    attempts: list[job_pb2.Attempt] = field(default_factory=list)
    sources: list[job_pb2.Source] = field(default_factory=list)
    collection_version: int = 0
    first_token_time: timestamp_pb2.Timestamp | None = None

    @property
    def request(self) -> job_pb2.GenerationRequest:
        return self.accepted.request

    def start_over(self) -> None:
        """Forget what was said: it has been withdrawn."""
        self.said = Transcript()
        self.text_sequence = 0
        self.is_torn = False


def max_tokens(request: job_pb2.GenerationRequest, alias: ModelAlias) -> int:
    """Return the longest answer allowed: what was asked for, within the alias's limit."""
    asked, limit = request.sampling, alias.max_output_tokens
    return min(asked.max_tokens, limit) if asked.HasField("max_tokens") else limit


def succeeded(job: Job, finished: inference_pb2.Finished) -> event_pb2.Done:
    """Return the record of a whole answer."""
    answer = _answer(job)
    answer.tool_calls.extend(job.said.tool_calls)
    answer.finish_reason = finished.finish_reason
    answer.usage.CopyFrom(_usage(job, finished))
    return _done(job, event_pb2.Done(state=job_pb2.JOB_STATE_SUCCEEDED, answer=answer, total_usage=answer.usage))


def ended(job: Job, state: job_pb2.JobState.ValueType, error: job_pb2.JobError) -> event_pb2.Done:
    """Return the record of a job that did not succeed; what was generated is kept."""
    answer = _answer(job)
    if job.said:
        answer.usage.CopyFrom(_estimated(job))
    if job.attempts and not job.attempts[-1].HasField("error"):
        job.attempts[-1].error.CopyFrom(error)
    return _done(job, event_pb2.Done(state=state, answer=answer, error=error))


def cancelled(message: str) -> job_pb2.JobError:
    said = message or "somebody asked for it"
    return job_pb2.JobError(reason=error_pb2.ERROR_REASON_CANCELLED, message=f"cancelled: {said}")


def expired() -> job_pb2.JobError:
    message = "the job's time ran out; submit it again with a longer timeout"
    return job_pb2.JobError(reason=error_pb2.ERROR_REASON_EXPIRED, message=message, retryable=True)


def internal(job_id: str) -> job_pb2.JobError:
    """Our bug. The text is fixed: what really happened is in the router's log."""
    message = f"internal error; the operator finds it in the router's log under {job_id}"
    return job_pb2.JobError(reason=error_pb2.ERROR_REASON_INTERNAL, message=message)


def unknown_model(name: str, known: Iterable[str]) -> job_pb2.JobError:
    message = f"{name!r} is no model alias of this mesh any more; use one of {', '.join(known)}"
    return job_pb2.JobError(reason=error_pb2.ERROR_REASON_UNKNOWN_MODEL, message=message)


def _answer(job: Job) -> job_pb2.Answer:
    answer = job_pb2.Answer(text=job.said.text, sources=job.sources)
    if job.attempts:
        answer.provider = job.attempts[-1].provider
        answer.provider_model = job.attempts[-1].provider_model
    return answer


def _done(job: Job, done: event_pb2.Done) -> event_pb2.Done:
    done.text_hash = text_hash(done.answer.text)
    done.attempts.extend(job.attempts)
    if job.attempts:
        done.start_time.CopyFrom(job.attempts[0].start_time)
    if job.first_token_time:
        done.first_token_time.CopyFrom(job.first_token_time)
    return done


def _usage(job: Job, finished: inference_pb2.Finished) -> chat_pb2.Usage:
    """What the provider counted, or what can be seen. It counts only its own tokens where it continued others'."""
    if finished.HasField("usage") and not job.text_sequence:
        return finished.usage
    estimated = _estimated(job)
    estimated.prompt_tokens = finished.usage.prompt_tokens or estimated.prompt_tokens
    return estimated


def _estimated(job: Job) -> chat_pb2.Usage:
    prompt_tokens = estimated_tokens(job.request.messages)
    return chat_pb2.Usage(prompt_tokens=prompt_tokens, completion_tokens=job.said.token_count, estimated=True)
