"""What clients saw of one order: every answer, every event, every text."""

from dataclasses import dataclass, field

from tests.chaos.orders import Order

from weft.job.v1 import event_pb2, job_pb2


@dataclass
class Stream:
    """One stream, as far as it was read: the position it was asked for, and what came."""

    after: int
    events: list[event_pb2.JobEvent] = field(default_factory=list)


@dataclass
class Reading:
    """One reader's way through a job, over as many streams as it took. `failure` is why it gave up."""

    streams: list[Stream] = field(default_factory=list)
    left: bool = False
    """It went away on purpose."""
    text: str | None = None
    """What it had assembled when the job was done."""
    failure: str = ""


@dataclass
class Account:
    """All that clients know of an order."""

    order: Order
    job_ids: list[str] = field(default_factory=list)
    """The job, in every answer that named one."""
    ends: list[job_pb2.JobState.ValueType] = field(default_factory=list)
    """Its state, in every answer that came when it was over."""
    answered_unix_s: list[float] = field(default_factory=list)
    """When submits were answered."""
    refusals: list[str] = field(default_factory=list)
    """Calls that were given up, because nobody could serve them for a long time."""
    surprises: list[str] = field(default_factory=list)
    """Answers that the contract does not allow."""
    readings: list[Reading] = field(default_factory=list)
