"""The records that end a job, and the reasons why it did not succeed."""

from collections.abc import Iterable

from weft.common.v1 import budget_pb2, chat_pb2, error_pb2
from weft.inference.v1 import inference_pb2
from weft.job.v1 import event_pb2, job_pb2
from weft_kit.joblog import MESSAGE_CHARACTERS, EventTooLarge, bounded, text_hash
from weft_kit.shortening import shortened
from weft_router.job import usage
from weft_router.job.job import Job

_WORD_CHARACTERS = 64


def succeeded(job: Job, finished: inference_pb2.Finished) -> event_pb2.Done:
    """Returns the record of a complete answer."""
    answer = _answer(job)
    answer.tool_calls.extend(job.said.tool_calls)
    answer.finish_reason = finished.finish_reason
    answer.raw_finish_reason = finished.raw_finish_reason[:_WORD_CHARACTERS]
    answer.usage.CopyFrom(_usage(job, finished))
    return _done(job, event_pb2.Done(state=job_pb2.JOB_STATE_SUCCEEDED, answer=answer))


def shared(job: Job, heard: event_pb2.Done) -> event_pb2.Done:
    """Returns the record of a job that a shared call answered, by the record of that call."""
    hit = heard.cache_hit if heard.HasField("cache_hit") else None
    return _done(job, event_pb2.Done(state=heard.state, answer=heard.answer, cache_hit=hit))


def from_cache(job: Job, answer: job_pb2.Answer, hit: job_pb2.CacheHit) -> event_pb2.Done:
    """Returns the record of a job that a stored answer ended, after its providers had failed."""
    return _done(job, event_pb2.Done(state=job_pb2.JOB_STATE_SUCCEEDED, answer=answer, cache_hit=hit))


def ended(job: Job, state: job_pb2.JobState.ValueType, error: job_pb2.JobError) -> event_pb2.Done:
    """Returns the record of a job that did not succeed; generated text is kept."""
    message = shortened(error.message, MESSAGE_CHARACTERS)
    error = job_pb2.JobError(reason=error.reason, message=message, retryable=error.retryable)
    answer, latest = _answer(job), _latest(job)
    if job.said:
        counted = latest.usage if latest is not None and not job.resumes_after else None
        answer.usage.CopyFrom(counted if counted and usage.total(counted) else _estimated(job))
    if latest is not None and not latest.HasField("error"):
        latest.error.CopyFrom(error)
    return _done(job, event_pb2.Done(state=state, answer=answer, error=error))


def given_back(attempt: job_pb2.Attempt) -> event_pb2.Released:
    """Returns the result of an attempt whose worker shuts down; an attempt that had failed keeps its reason."""
    released = event_pb2.Released(attempt=attempt)
    if not attempt.HasField("error"):
        message = "its worker shut down; another one goes on"
        draining = job_pb2.JobError(reason=error_pb2.ERROR_REASON_DRAINING, message=message, retryable=True)
        released.attempt.error.CopyFrom(draining)
    return released


def internal(job_id: str) -> job_pb2.JobError:
    """Returns the error for our own bugs. Its text is fixed: what really happened is in the router's log."""
    message = f"internal error; the operator finds it in the router's log under {job_id}"
    return job_pb2.JobError(reason=error_pb2.ERROR_REASON_INTERNAL, message=message)


def too_large(why: EventTooLarge) -> job_pb2.JobError:
    """Returns why a job ends whose step is too large for the log."""
    return job_pb2.JobError(reason=error_pb2.ERROR_REASON_ANSWER_TOO_LARGE, message=why.message)


def unknown_model(name: str, known: Iterable[str]) -> job_pb2.JobError:
    message = f"{name!r} is no model alias of this mesh any more; use one of {', '.join(known)}"
    return job_pb2.JobError(reason=error_pb2.ERROR_REASON_UNKNOWN_MODEL, message=message)


def _answer(job: Job) -> job_pb2.Answer:
    answer = job_pb2.Answer(
        text=job.said.text,
        reasoning=job.said.reasoning,
        sources=job.sources,
        sources_left_out=job.sources_left_out,
    )
    if attempt := _latest(job):
        answer.provider = attempt.provider
        answer.provider_model = attempt.provider_model
    return answer


def _latest(job: Job) -> job_pb2.Attempt | None:
    """Returns the attempt that produced the answer; others may have been made at the same time."""
    if job.standing is not None:
        return job.standing.attempt
    return job.answering or (job.attempts[-1] if job.attempts else None)


def _done(job: Job, done: event_pb2.Done) -> event_pb2.Done:
    done.text_hash = text_hash(done.answer.text)
    done.attempts.extend(bounded(job.attempts))
    if usage.total(job.spent):
        done.total_usage.CopyFrom(job.spent)
    if costs := [attempt.cost for attempt in job.attempts if attempt.HasField("cost")]:
        total = budget_pb2.Cost(micros=sum(cost.micros for cost in costs), currency=costs[-1].currency)
        done.total_cost.CopyFrom(total)
    if job.attempts:
        done.start_time.CopyFrom(job.attempts[0].start_time)
    if job.first_token_time:
        done.first_token_time.CopyFrom(job.first_token_time)
    return done


def _usage(job: Job, finished: inference_pb2.Finished) -> chat_pb2.Usage:
    """Returns the provider's count, or an estimate. A provider that continued another's text counts only its own
    tokens.
    """
    if finished.HasField("usage") and not job.resumes_after:
        return finished.usage
    estimated = _estimated(job)
    estimated.prompt_tokens = finished.usage.prompt_tokens or estimated.prompt_tokens
    return estimated


def _estimated(job: Job) -> chat_pb2.Usage:
    return usage.estimated(job.messages, job.said.token_count)
