"""Writes a job's events: each has the sequence of the previous one, so only one attempt can ever write."""

import asyncio
from contextlib import suppress
from functools import partial

from weft.job.v1 import event_pb2, ingest_pb2
from weft_kit.joblog.events.ids import JobKey, kind_of
from weft_kit.joblog.stream.stream_client import StreamClient, WrongSequence, new_write_id
from weft_kit.rpc.errors import DependencyDown
from weft_kit.rpc.time import now

_LAST_WORDS_S = 0.2

Step = (
    event_pb2.Accepted
    | event_pb2.Started
    | event_pb2.Delta
    | event_pb2.Rewound
    | event_pb2.Released
    | event_pb2.CancelRequested
    | event_pb2.Done
    | event_pb2.Deleted
    | ingest_pb2.IngestProgress
)

_FIELD = {
    event_pb2.Accepted: "accepted",
    event_pb2.Started: "started",
    event_pb2.Delta: "delta",
    event_pb2.Rewound: "rewound",
    event_pb2.Released: "released",
    event_pb2.CancelRequested: "cancel_requested",
    event_pb2.Done: "done",
    event_pb2.Deleted: "deleted",
    ingest_pb2.IngestProgress: "progress",
}


class Fenced(Exception):
    """Another writer has moved the job on. `last` is the job's last event now; None when the job is gone."""

    def __init__(self, last: event_pb2.JobEvent | None) -> None:
        super().__init__(f"fenced by {kind_of(last)} at {last.sequence}" if last else "the job is gone")
        self.last = last


def event_of(job_id: str, step: Step) -> event_pb2.JobEvent:
    event = event_pb2.JobEvent(job_id=job_id, time=now())
    getattr(event, _FIELD[type(step)]).CopyFrom(step)
    return event


class Writer:
    """Appends to one job after `last_sequence`. Not for concurrent use: a job has one writer.

    A caller that is cancelled during a write can trust `last_sequence` all the same: the write is finished first,
    unless the log is down.
    """

    def __init__(self, wire: StreamClient, job_id: str, last_sequence: int) -> None:
        parts = JobKey.parse(job_id)
        if parts is None:
            message = f"not a job id: {job_id!r}"
            raise ValueError(message)
        self._wire = wire
        self._key = parts
        self._fence = parts.all_kinds(wire.config.prefix)
        self.job_id = job_id
        self.last_sequence = last_sequence

    async def append(self, step: Step) -> int:
        """Commits one event and returns its sequence. Raises Fenced when somebody else wrote since the last one."""
        return (await self.commit(step)).sequence

    async def commit(self, step: Step) -> event_pb2.JobEvent:
        """Does the same and returns the event as readers see it."""
        event = event_of(self.job_id, step)
        kind = kind_of(event)
        ttl = self._wire.config.delta_ttl_s if kind == "delta" else 0
        subject = self._key.subject(self._wire.config.prefix, kind)
        write = partial(
            self._wire.write, subject, event, self.last_sequence, self._fence, ttl_s=ttl, write_id=new_write_id()
        )
        try:
            self.last_sequence = await write()
        except asyncio.CancelledError:
            with suppress(WrongSequence, DependencyDown):
                self.last_sequence = await write(timeout_s=_LAST_WORDS_S)
            raise
        except WrongSequence as overtaken:
            raise Fenced(overtaken.last.event if overtaken.last else None) from None
        event.sequence = self.last_sequence
        return event
