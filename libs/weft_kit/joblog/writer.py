"""Writing a job's events: each carries the sequence of the one before, so only one attempt can ever write."""

from weft.job.v1 import event_pb2
from weft_kit import clock
from weft_kit.joblog.ids import JobKey, kind_of
from weft_kit.joblog.wire import Wire, WrongSequence

Step = (
    event_pb2.Accepted
    | event_pb2.Started
    | event_pb2.Delta
    | event_pb2.Rewound
    | event_pb2.Released
    | event_pb2.CancelRequested
    | event_pb2.Done
)

_FIELD = {
    event_pb2.Accepted: "accepted",
    event_pb2.Started: "started",
    event_pb2.Delta: "delta",
    event_pb2.Rewound: "rewound",
    event_pb2.Released: "released",
    event_pb2.CancelRequested: "cancel_requested",
    event_pb2.Done: "done",
}


class Fenced(Exception):
    """Another writer moved the job on. `last` is the event that stands last now; None when the job is gone."""

    def __init__(self, last: event_pb2.JobEvent | None) -> None:
        super().__init__(f"fenced by {kind_of(last)} at {last.sequence}" if last else "the job is gone")
        self.last = last


def event_of(job_id: str, step: Step) -> event_pb2.JobEvent:
    event = event_pb2.JobEvent(job_id=job_id, time=clock.now())
    getattr(event, _FIELD[type(step)]).CopyFrom(step)
    return event


class Writer:
    """Appends to one job after `last_sequence`. Not for concurrent use: a job has one writer."""

    def __init__(self, wire: Wire, job_id: str, last_sequence: int) -> None:
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
        try:
            self.last_sequence = await self._wire.write(subject, event, self.last_sequence, self._fence, ttl_s=ttl)
        except WrongSequence as overtaken:
            raise Fenced(overtaken.last.event if overtaken.last else None) from None
        event.sequence = self.last_sequence
        return event
