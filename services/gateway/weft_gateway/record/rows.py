"""What is stored of a job: its three lasting events, and columns to find and count it by."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, fields
from datetime import datetime

from weft.job.v1 import event_pb2, job_pb2
from weft_kit.joblog import kind_of, priority_of
from weft_kit.rpc.time import datetime_of


@dataclass(slots=True)
class RecordRow:
    """A row of `jobs`, with the values known from the events seen so far. None means unknown."""

    job_id: str
    state: int = job_pb2.JOB_STATE_UNSPECIFIED
    tenant: str | None = None
    key_id: str | None = None
    request_id: str | None = None
    model: str | None = None
    webhook_url: str | None = None
    priority: int | None = None
    labels: str | None = None
    """JSON; None without labels."""
    expire_time: datetime | None = None
    accept_time: datetime | None = None
    end_time: datetime | None = None
    provider: str | None = None
    provider_model: str | None = None
    cache_tier: int | None = None
    error_reason: int | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cached_prompt_tokens: int | None = None
    reasoning_tokens: int | None = None
    accepted: bytes | None = None
    accepted_brief: bytes | None = None
    started: bytes | None = None
    done: bytes | None = None
    done_brief: bytes | None = None


COLUMNS = tuple(field.name for field in fields(RecordRow))


def rows(events: Iterable[event_pb2.JobEvent]) -> list[RecordRow]:
    """Returns one row per job, in the order of their ids: replicas that write the same rows must lock them in one
    order.
    """
    by_job: dict[str, RecordRow] = {}
    for event in events:
        fill = _FILL.get(kind_of(event))
        if fill:
            fill(by_job.setdefault(event.job_id, RecordRow(event.job_id)), event)
    return sorted(by_job.values(), key=lambda row: row.job_id)


def _fill_accepted(row: RecordRow, event: event_pb2.JobEvent) -> None:
    row.state = max(row.state, job_pb2.JOB_STATE_QUEUED)
    _fill_envelope(row, event.accepted, event)
    row.accepted = event.SerializeToString()
    row.accepted_brief = _step(event, accepted=_brief_envelope(event.accepted))


def _fill_started(row: RecordRow, event: event_pb2.JobEvent) -> None:
    row.state = max(row.state, job_pb2.JOB_STATE_RUNNING)
    # Taken from the first attempt: when the job began to run.
    row.started = row.started or event.SerializeToString()


def _fill_done(row: RecordRow, event: event_pb2.JobEvent) -> None:
    done, usage = event.done, event.done.total_usage
    row.state = done.state
    row.end_time = datetime_of(event.time)
    row.provider, row.provider_model = done.answer.provider, done.answer.provider_model
    row.cache_tier = done.cache_hit.tier if done.HasField("cache_hit") else None
    row.error_reason = done.error.reason if done.HasField("error") else None
    row.prompt_tokens, row.completion_tokens = usage.prompt_tokens, usage.completion_tokens
    row.cached_prompt_tokens, row.reasoning_tokens = usage.cached_prompt_tokens, usage.reasoning_tokens
    row.done = event.SerializeToString()
    row.done_brief = _step(event, done=_brief_done(done))
    if done.HasField("accepted"):
        _fill_envelope(row, done.accepted, event)


def _fill_envelope(row: RecordRow, accepted: event_pb2.Accepted, event: event_pb2.JobEvent) -> None:
    row.tenant, row.key_id, row.request_id = accepted.tenant, accepted.key_id, accepted.request_id
    row.model = accepted.request.model
    row.webhook_url = accepted.request.webhook_url or None
    row.priority = priority_of(accepted.request.priority)
    row.labels = json.dumps(dict(accepted.request.labels)) if accepted.request.labels else None
    if accepted.HasField("expire_time"):
        row.expire_time = datetime_of(accepted.expire_time)
    row.accept_time = datetime_of(event.time)


_FILL = {"accepted": _fill_accepted, "started": _fill_started, "done": _fill_done}


def _step(event: event_pb2.JobEvent, **step: event_pb2.Accepted | event_pb2.Done) -> bytes:
    brief = event_pb2.JobEvent(job_id=event.job_id, sequence=event.sequence, time=event.time, **step)  # type: ignore[arg-type]
    return brief.SerializeToString()


def _brief_envelope(accepted: event_pb2.Accepted) -> event_pb2.Accepted:
    """Returns an envelope without the prompt, which may be megabytes."""
    return event_pb2.Accepted(
        tenant=accepted.tenant,
        request=job_pb2.GenerationRequest(model=accepted.request.model),
        request_id=accepted.request_id,
        expire_time=accepted.expire_time,
    )


def bare_done(encoded: bytes, erased: datetime) -> bytes:
    """Returns a brief end without error messages as well, since providers may quote the request in them."""
    event = event_pb2.JobEvent.FromString(encoded)
    event.done.contents_delete_time.FromDatetime(erased)
    _leave_reason(event.done)
    for attempt in event.done.attempts:
        _leave_reason(attempt)
    return event.SerializeToString()


def _leave_reason(failed: event_pb2.Done | job_pb2.Attempt) -> None:
    if failed.HasField("error"):
        failed.error.ClearField("message")


def _brief_done(done: event_pb2.Done) -> event_pb2.Done:
    """Returns an end without the answer, except its usage."""
    brief = event_pb2.Done(state=done.state, attempts=done.attempts)
    brief.answer.provider, brief.answer.provider_model = done.answer.provider, done.answer.provider_model
    brief.answer.finish_reason = done.answer.finish_reason
    if done.answer.HasField("usage"):
        brief.answer.usage.CopyFrom(done.answer.usage)
    for name in ("error", "cache_hit", "start_time", "first_token_time", "total_usage", "total_cost"):
        if done.HasField(name):
            getattr(brief, name).CopyFrom(getattr(done, name))
    if done.HasField("accepted"):
        brief.accepted.CopyFrom(_brief_envelope(done.accepted))
    return brief
