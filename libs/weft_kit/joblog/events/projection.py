"""A job, computed from its events."""

import hashlib
from collections.abc import Iterable

from weft.common.v1 import error_pb2
from weft.job.v1 import event_pb2, job_pb2
from weft_kit.joblog.events.ids import kind_of


def text_hash(text: str) -> str:
    """Returns the SHA-256 of the text in UTF-8, hex: what `done` contains and readers compare with."""
    return hashlib.sha256(text.encode()).hexdigest()


def project(job_id: str, events: Iterable[event_pb2.JobEvent]) -> job_pb2.Job:
    """Folds events, in order, into the job's record."""
    job = job_pb2.Job(job_id=job_id)
    deltas: Deltas = []
    for event in events:
        job.last_sequence = event.sequence
        _STEPS.get(kind_of(event), _ignore)(job, event, deltas)
    if job.state in (job_pb2.JOB_STATE_QUEUED, job_pb2.JOB_STATE_RUNNING):
        job.answer.text = "".join(event.delta.text for event in deltas)
        job.answer.reasoning = "".join(event.delta.reasoning for event in deltas)
    return job


def envelope_of(event: event_pb2.JobEvent) -> event_pb2.Accepted:
    """Returns the envelope in a job's first event: `accepted`, or a single `done` that contains it."""
    return event.accepted if event.HasField("accepted") else event.done.accepted


def attempts_of(events: Iterable[event_pb2.JobEvent]) -> list[job_pb2.Attempt]:
    """Returns each attempt as its worker saw it end; without that, as lost."""
    attempts: list[job_pb2.Attempt] = []
    for event in events:
        note_attempts(attempts, event)
    return attempts


def note_attempts(attempts: list[job_pb2.Attempt], event: event_pb2.JobEvent) -> None:
    """Merges an event's attempts into the earlier ones: a new attempt, or the result of one that counted as lost."""
    if event.HasField("started"):
        if event.started.HasField("previous"):
            _put(attempts, event.started.previous)
        _put(attempts, _lost(event))
    elif event.HasField("released"):
        _put(attempts, event.released.attempt)


def standing(events: Iterable[event_pb2.JobEvent]) -> list[event_pb2.JobEvent]:
    """Returns the deltas that were not withdrawn."""
    deltas: Deltas = []
    for event in events:
        if event.HasField("delta"):
            deltas.append(event)
        elif event.HasField("rewound"):
            withdraw(deltas, event)
    return deltas


def withdraw(deltas: list[event_pb2.JobEvent], rewound: event_pb2.JobEvent) -> None:
    """Removes withdrawn deltas."""
    deltas[:] = [delta for delta in deltas if delta.sequence <= rewound.rewound.to_sequence]


def _put(attempts: list[job_pb2.Attempt], known: job_pb2.Attempt) -> None:
    """Adds an attempt, or replaces what was known of it."""
    for place, attempt in enumerate(attempts):
        if attempt.number == known.number:
            attempts[place] = known
            return
    attempts.append(known)


def _lost(event: event_pb2.JobEvent) -> job_pb2.Attempt:
    """Records an attempt of which the log knows only that it began: its result would stand in what follows."""
    started = event.started
    error = job_pb2.JobError(
        reason=error_pb2.ERROR_REASON_DEPENDENCY_DOWN,
        message="its worker was lost before it recorded a result; see the router's log",
        retryable=True,
    )
    return job_pb2.Attempt(
        number=started.attempt,
        provider=started.provider,
        provider_model=started.provider_model,
        start_time=event.time,
        error=error,
        joined_job_id=started.joined_job_id,
        worker=started.worker,
    )


Deltas = list[event_pb2.JobEvent]
"""Those that stand."""


def _accepted(job: job_pb2.Job, event: event_pb2.JobEvent, _deltas: Deltas) -> None:
    _envelope(job, event.accepted, event)
    job.state = job_pb2.JOB_STATE_QUEUED


def _started(job: job_pb2.Job, event: event_pb2.JobEvent, _deltas: Deltas) -> None:
    if not job.HasField("start_time"):
        job.start_time.CopyFrom(event.time)
    job.state = job_pb2.JOB_STATE_RUNNING
    if event.started.HasField("previous"):
        job.attempts.append(event.started.previous)
    job.answer.provider = event.started.provider
    job.answer.provider_model = event.started.provider_model
    del job.answer.sources[:]
    job.answer.sources.extend(event.started.sources)
    job.answer.sources_left_out = event.started.sources_left_out


def _delta(job: job_pb2.Job, event: event_pb2.JobEvent, deltas: Deltas) -> None:
    if not job.HasField("first_token_time"):
        job.first_token_time.CopyFrom(event.time)
    deltas.append(event)


def _rewound(_job: job_pb2.Job, event: event_pb2.JobEvent, deltas: Deltas) -> None:
    withdraw(deltas, event)


def _released(job: job_pb2.Job, event: event_pb2.JobEvent, _deltas: Deltas) -> None:
    job.state = job_pb2.JOB_STATE_QUEUED
    job.attempts.append(event.released.attempt)


def _done(job: job_pb2.Job, event: event_pb2.JobEvent, _deltas: Deltas) -> None:
    done = event.done
    if done.HasField("accepted"):
        _envelope(job, done.accepted, event)
    job.state = done.state
    job.answer.CopyFrom(done.answer)
    job.end_time.CopyFrom(event.time)
    for name in ("error", "cache_hit", "start_time", "first_token_time", "total_cost", "contents_delete_time"):
        if done.HasField(name):
            getattr(job, name).CopyFrom(getattr(done, name))
    del job.attempts[:]
    job.attempts.extend(done.attempts)


def _envelope(job: job_pb2.Job, accepted: event_pb2.Accepted, event: event_pb2.JobEvent) -> None:
    job.request.CopyFrom(accepted.request)
    job.request_id = accepted.request_id
    job.model = accepted.request.model
    if not job.HasField("accept_time"):  # a `done` written past retention repeats the envelope, later
        job.accept_time.CopyFrom(event.time)
    job.expire_time.CopyFrom(accepted.expire_time)


def _ignore(_job: job_pb2.Job, _event: event_pb2.JobEvent, _deltas: Deltas) -> None:
    """Unknown events, and requests to stop, change no field of the record."""


_STEPS = {
    "accepted": _accepted,
    "started": _started,
    "delta": _delta,
    "rewound": _rewound,
    "released": _released,
    "done": _done,
}
