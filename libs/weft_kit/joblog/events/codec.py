"""Events to bytes and back, with the two numbers that order them: their own sequence and the previous one."""

import base64
from collections.abc import Mapping
from typing import Any, NamedTuple

from nats.aio.msg import Msg

from weft.job.v1 import event_pb2
from weft_kit.joblog.events.ids import JobKey

EXPECTED = "Nats-Expected-Last-Subject-Sequence"
EXPECTED_SUBJECT = "Nats-Expected-Last-Subject-Sequence-Subject"
SEQUENCE = "Nats-Sequence"
WRITE_ID = "Weft-Write"


class StoredEvent(NamedTuple):
    """A committed event. `previous` is the sequence of the job's event before it, 0 for the first: the fence each
    write carries stays in the message, so any reader sees from one message whether it missed another.
    """

    event: event_pb2.JobEvent
    previous: int
    write_id: str

    @property
    def sequence(self) -> int:
        return self.event.sequence


class EventPosition(NamedTuple):
    """The kind and the sequence of a message, as its subject and the stream tell them."""

    kind: str
    sequence: int


class Unreadable(NamedTuple):
    """A message in the log that is not an event. Its subject names its job; "" if the subject is not ours."""

    job_id: str
    kind: str
    sequence: int
    payload: bytes


def stored(payload: bytes, headers: Mapping[str, str], sequence: int) -> StoredEvent:
    event = event_pb2.JobEvent.FromString(payload)
    event.sequence = sequence
    return StoredEvent(event, int(headers.get(EXPECTED, 0)), headers.get(WRITE_ID, ""))


def fenced_headers(expected: int, fence: str, write_id: str, ttl_s: float) -> dict[str, str]:
    """Returns the headers of a write that is refused unless `fence` still ends at `expected`; 0 s: it never expires."""
    headers = {EXPECTED: str(expected), EXPECTED_SUBJECT: fence, WRITE_ID: write_id}
    if ttl_s:
        headers["Nats-TTL"] = f"{round(ttl_s)}s"
    return headers


def from_message(message: Msg) -> StoredEvent:
    """Reads a republished or directly fetched message, whose headers carry the sequence."""
    return stored(message.data, message.headers or {}, sequence_of(message))


def sequence_of(message: Msg) -> int:
    """Reads where such a message stands, also when it is no event."""
    return int((message.headers or {})[SEQUENCE])


def from_delivery(message: Msg) -> tuple[event_pb2.JobEvent, int]:
    """Reads a consumer's message: the event, and how many times it was handed out, this time included (ADR-15)."""
    parts = message.reply.split(".")
    event = event_pb2.JobEvent.FromString(message.data)
    event.sequence = int(parts[-4])
    return event, int(parts[-5])


def unreadable(message: Msg) -> Unreadable:
    """Reads what can be read of a consumer's message that is no event."""
    lane, key, kind = ("", "", "", *message.subject.split("."))[-3:]
    job_id = f"{lane}-{key}"
    is_ours = JobKey.parse(job_id) is not None
    sequence = int(message.reply.split(".")[-4])
    return Unreadable(job_id if is_ours else "", kind if is_ours else "", sequence, message.data)


def from_api(message: Mapping[str, Any]) -> StoredEvent:
    """Reads the `message` object of a STREAM.MSG.GET response."""
    lines = base64.b64decode(message.get("hdrs", "")).decode().split("\r\n")[1:]
    headers = dict(line.split(": ", 1) for line in lines if ": " in line)
    return stored(base64.b64decode(message.get("data", "")), headers, int(message["seq"]))
