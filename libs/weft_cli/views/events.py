"""Shows a job's log to people, event by event."""

import json

from rich.text import Text

from weft.job.v1 import event_pb2, ingest_pb2
from weft_cli.views.jobs import finish, reason, state_text
from weft_cli.views.progress import running

_LONGEST = 60


def event_line(event: event_pb2.JobEvent) -> Text:
    """Returns a line with an event's time, sequence and kind, and the beginning of its content."""
    at = event.time.ToDatetime()
    kind = event.WhichOneof("event") or "unknown"
    line = Text(f"{at:%m-%d %H:%M:%S}.{at.microsecond // 1000:03d}  {event.sequence:>8}  ")
    return line.append(f"{kind:<16}", "bold").append(f"  {_payload(event)}".rstrip())


def _payload(event: event_pb2.JobEvent) -> str:
    match event.WhichOneof("event"):
        case "delta":
            return _delta(event.delta)
        case "started":
            return _started(event.started)
        case "done":
            return _done(event.done)
        case "progress":
            return _progress(event.progress)
    return _rest(event)


def _rest(event: event_pb2.JobEvent) -> str:
    match event.WhichOneof("event"):
        case "accepted":
            return f"{event.accepted.request.model}: {_short(_question(event.accepted))}"
        case "rewound":
            return f"what came after {event.rewound.to_sequence} is withdrawn"
        case "released":
            attempt = event.released.attempt
            return f"attempt {attempt.number}: {reason(attempt.error)}: {_short(attempt.error.message)}"
        case "cancel_requested":
            return _short(event.cancel_requested.message)
    return ""


def _progress(progress: ingest_pb2.IngestProgress) -> str:
    stored = progress.created + progress.updated + progress.unchanged + progress.duplicate
    return f"{stored} of {progress.documents} documents, {progress.failed} failed"


def _started(started: event_pb2.Started) -> str:
    worker = f", router {started.worker}" if started.worker else ""
    resumed = f", goes on after {started.resumes_after}" if started.resumes_after else ""
    return f"attempt {started.attempt} {running(started)}{resumed}{worker}"


def _delta(delta: event_pb2.Delta) -> str:
    calls = "".join(call.name for call in delta.tool_calls)
    said = delta.text or (f"(reasoning) {delta.reasoning}" if delta.reasoning else f"(calls {calls})" if calls else "")
    return f"{delta.token_count} tokens: {_short(said)}"


def _done(done: event_pb2.Done) -> str:
    state = state_text(done.state).plain
    if done.HasField("error"):
        return f"{state}: {reason(done.error)}: {_short(done.error.message)}"
    return f"{state}: {_short(done.answer.text)}{f', {why}' if (why := finish(done.answer)) else ''}"


def _question(accepted: event_pb2.Accepted) -> str:
    said = accepted.request.messages
    return "".join(part.text for part in said[-1].parts) if said else ""


def _short(text: str) -> str:
    """Returns the beginning of a text, quoted and on one line."""
    shown = json.dumps(text[:_LONGEST], ensure_ascii=False)
    return f"{shown}…" if len(text) > _LONGEST else shown
