"""How jobs end that did not succeed: the error, and the final event of a job that no worker is left to end."""

from collections.abc import Iterable, Sequence
from typing import Final

from weft.common.v1 import chat_pb2, error_pb2
from weft.job.v1 import event_pb2, job_pb2
from weft_kit.joblog.events.projection import attempts_of, envelope_of, project, standing, text_hash
from weft_kit.joblog.events.sizes import bounded

_LOG_LOST: Final = job_pb2.JobError(
    reason=error_pb2.ERROR_REASON_LOG_LOST,
    message="the job log was lost with its store before the job's end was recorded: it may have been answered, and what"
    " it said is gone; submit it again",
    retryable=True,
)


def cancelled(message: str) -> job_pb2.JobError:
    """Returns why a job was stopped, in the words of the caller that asked for it."""
    said = message or "somebody asked for it"
    return job_pb2.JobError(reason=error_pb2.ERROR_REASON_CANCELLED, message=f"cancelled: {said}")


def expired(waited_for: str = "") -> job_pb2.JobError:
    """Returns that a job's time ran out, and what it waited for then."""
    waiting = f" while it waited: {waited_for}" if waited_for else ""
    message = f"the job's time ran out{waiting}; submit it again with a longer timeout"
    return job_pb2.JobError(reason=error_pb2.ERROR_REASON_EXPIRED, message=message, retryable=True)


def terminal_event(job_id: str, events: Sequence[event_pb2.JobEvent]) -> event_pb2.Done:
    """Returns the `done` of an expired job with these events: CANCELLED if that was asked for, else EXPIRED."""
    for event in events:
        if event.HasField("cancel_requested"):
            error = cancelled(event.cancel_requested.message)
            return _done(job_id, events, job_pb2.JOB_STATE_CANCELLED, error)
    return _done(job_id, events, job_pb2.JOB_STATE_EXPIRED, expired())


def lost_event(job_id: str, recorded: Sequence[event_pb2.JobEvent]) -> event_pb2.Done:
    """Returns the `done` of a job that the log no longer has and whose record has these events."""
    done = _done(job_id, recorded, job_pb2.JOB_STATE_FAILED, _LOG_LOST)
    done.accepted.CopyFrom(envelope_of(recorded[0]))
    return done


def _done(
    job_id: str,
    events: Sequence[event_pb2.JobEvent],
    state: job_pb2.JobState.ValueType,
    error: job_pb2.JobError,
) -> event_pb2.Done:
    job = project(job_id, events)
    answer = job_pb2.Answer(
        text=job.answer.text,
        sources=job.answer.sources,
        sources_left_out=job.answer.sources_left_out,
        provider=job.answer.provider,
        provider_model=job.answer.provider_model,
        usage=_usage(standing(events)),
    )
    done = event_pb2.Done(
        state=state,
        answer=answer,
        text_hash=text_hash(answer.text),
        error=error,
        attempts=bounded(attempts_of(events)),
        total_usage=_usage(events),
    )
    for name in ("start_time", "first_token_time"):
        if job.HasField(name):
            getattr(done, name).CopyFrom(getattr(job, name))
    return done


def _usage(events: Iterable[event_pb2.JobEvent]) -> chat_pb2.Usage | None:
    """What can be seen from here: the tokens that were said. None when there were none."""
    tokens = sum(event.delta.token_count for event in events if event.HasField("delta"))
    return chat_pb2.Usage(completion_tokens=tokens, estimated=True) if tokens else None
