"""The end of a job that nobody is left to write: what the log tells of it, put as a worker would have."""

from collections.abc import Iterable, Sequence

from weft.common.v1 import chat_pb2, error_pb2
from weft.job.v1 import event_pb2, job_pb2
from weft_kit.joblog import bounded, envelope_of, project, text_hash

_LOG_LOST = job_pb2.JobError(
    reason=error_pb2.ERROR_REASON_LOG_LOST,
    message="the job log was lost with its store before the job's end was recorded: it may have been answered, and what"
    " it said is gone; submit it again",
    retryable=True,
)


def obituary(job_id: str, events: Sequence[event_pb2.JobEvent]) -> event_pb2.Done:
    """The `done` of an expired job with these events: CANCELLED if that was asked for, else EXPIRED."""
    return _done(job_id, events, *_cause(events))


def lost(job_id: str, recorded: Sequence[event_pb2.JobEvent]) -> event_pb2.Done:
    """The `done` of a job of which the log has nothing any more, and the record these events."""
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
        usage=_usage(_standing(events)),
    )
    done = event_pb2.Done(
        state=state,
        answer=answer,
        text_hash=text_hash(answer.text),
        error=error,
        attempts=bounded(_attempts(events)),
        total_usage=_usage(events),
    )
    for name in ("start_time", "first_token_time"):
        if job.HasField(name):
            getattr(done, name).CopyFrom(getattr(job, name))
    return done


def _cause(events: Iterable[event_pb2.JobEvent]) -> tuple[job_pb2.JobState.ValueType, job_pb2.JobError]:
    for event in events:
        if event.HasField("cancel_requested"):
            message = f"cancelled: {event.cancel_requested.message or 'somebody asked for it'}"
            return job_pb2.JOB_STATE_CANCELLED, job_pb2.JobError(
                reason=error_pb2.ERROR_REASON_CANCELLED, message=message
            )
    message = "the job's time ran out; submit it again with a longer timeout"
    error = job_pb2.JobError(reason=error_pb2.ERROR_REASON_EXPIRED, message=message, retryable=True)
    return job_pb2.JOB_STATE_EXPIRED, error


def _attempts(events: Iterable[event_pb2.JobEvent]) -> list[job_pb2.Attempt]:
    """Each attempt as its worker saw it end; where none did, as lost."""
    attempts: dict[int, job_pb2.Attempt] = {}
    for event in events:
        if event.HasField("started"):
            if event.started.HasField("previous"):
                attempts[event.started.previous.number] = event.started.previous
            attempts[event.started.attempt] = _lost(event)
        elif event.HasField("released"):
            attempts[event.released.attempt.number] = event.released.attempt
    return list(attempts.values())


def _lost(event: event_pb2.JobEvent) -> job_pb2.Attempt:
    error = job_pb2.JobError(
        reason=error_pb2.ERROR_REASON_DEPENDENCY_DOWN,
        message="its worker was lost before it recorded a result; see the router's log",
        retryable=True,
    )
    return job_pb2.Attempt(
        number=event.started.attempt,
        provider=event.started.provider,
        provider_model=event.started.provider_model,
        start_time=event.time,
        error=error,
        worker=event.started.worker,
    )


def _standing(events: Iterable[event_pb2.JobEvent]) -> list[event_pb2.JobEvent]:
    """The deltas that were not withdrawn."""
    deltas: list[event_pb2.JobEvent] = []
    for event in events:
        if event.HasField("delta"):
            deltas.append(event)
        elif event.HasField("rewound"):
            deltas = [delta for delta in deltas if delta.sequence <= event.rewound.to_sequence]
    return deltas


def _usage(events: Iterable[event_pb2.JobEvent]) -> chat_pb2.Usage | None:
    """What can be seen from here: the tokens that were said. None when there were none."""
    tokens = sum(event.delta.token_count for event in events if event.HasField("delta"))
    return chat_pb2.Usage(completion_tokens=tokens, estimated=True) if tokens else None
