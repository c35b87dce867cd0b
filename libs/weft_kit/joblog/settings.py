"""The log's numbers, with their units and the checks that keep them sane together."""

from dataclasses import dataclass, replace
from typing import ClassVar, Self

from pydantic import ConfigDict

from weft_kit.mesh_id import DEFAULT_MESH_ID, MeshId

LEAST_BYTES = 16 * 1024**2
"""The smallest log: twice the largest message."""


@dataclass(frozen=True, slots=True)
class LogConfig:
    """How the stream stores, how long it keeps, and how its readers and writers wait.

    Retention is a memory decision: nats-server holds some 2.3 KB a job, 1.4 GB for an hour at 10,000 jobs a minute.
    """

    # Read from JSON: a mistyped name there is a mistake, too.
    __pydantic_config__: ClassVar = ConfigDict(extra="forbid")

    stream: str = "JOBS"
    """Name of the stream in JetStream."""
    prefix: str = "jobs"
    """First part of the subjects of stored events."""
    live_prefix: str = "live"
    """First part of the subjects that stored events are republished under."""
    mesh_id: MeshId = DEFAULT_MESH_ID
    """Whose the stream is; services set it with `of_mesh`."""
    replicas: int = 1
    """Copies of the stream that a cluster keeps: 1, 3 or 5."""
    retention_s: float = 3 * 3600
    """How long events are kept, in seconds."""
    delta_ttl_s: float = 1800
    """Deltas older than this are gone and late readers get `done` alone. Must exceed a running job's longest
    silence: an expired delta would break the job's own fence."""
    max_bytes: int = 8 * 1024**3
    """Size of the log on disk, in bytes; less while nats-server has less to give (it reserves no more than three
    quarters of what was free on its disk as it started)."""
    flush_interval_s: float = 0.025
    """How long tokens may gather for one write, in seconds."""
    ack_wait_s: float = 7.5
    """How long a worker may be silent before its jobs are handed to another: the cost of a lost worker. Workers say
    that they live every fifth of it, so a log that is away for two thirds of it costs no job its worker."""
    accept_timeout_s: float = 5.0
    """How long accepts and reads wait out a log that is away before they fail: somebody waits for the answer."""
    publish_timeout_s: float = 30.0
    """How long the writes of a running job do: its provider's stream is worth more than the wait."""
    idle_check_s: float = 5.0
    """How long a reader trusts silence before it looks for events it may have missed."""

    def of_mesh(self, mesh_id: str) -> Self:
        """Returns the same log of a mesh: its id is in the names of stream and subjects, but for the default one's."""
        if mesh_id == DEFAULT_MESH_ID:
            return replace(self, mesh_id=mesh_id)
        return replace(
            self,
            mesh_id=mesh_id,
            stream=f"{self.stream}-{mesh_id}",
            prefix=f"{self.prefix}-{mesh_id}",
            live_prefix=f"{self.live_prefix}-{mesh_id}",
        )

    @property
    def heartbeat_s(self) -> float:
        """How often a worker says of each of its jobs that it lives."""
        return self.ack_wait_s / 5

    def __post_init__(self) -> None:
        problems = [text for wrong, text in self._checks() if wrong]
        if problems:
            message = f"job log settings: {'; '.join(problems)}"
            raise ValueError(message)

    def _checks(self) -> tuple[tuple[bool, str], ...]:
        return (
            (self.replicas not in (1, 3, 5), "replicas must be 1, 3 or 5"),
            (self.retention_s < self.delta_ttl_s, "retention_s must be at least delta_ttl_s"),
            (self.delta_ttl_s < 60, "delta_ttl_s must be at least 60: running jobs may be silent that long"),
            (not 0 <= self.flush_interval_s <= 1, "flush_interval_s must be between 0 and 1"),
            (self.ack_wait_s < 1, "ack_wait_s must be at least 1: workers say that they live every fifth of it"),
            (self.max_bytes < LEAST_BYTES, "max_bytes must be at least 16 MiB, twice the largest message"),
            (self.accept_timeout_s <= 0, "accept_timeout_s must be positive"),
            (self.publish_timeout_s < self.accept_timeout_s, "publish_timeout_s must be at least accept_timeout_s"),
            (self.publish_timeout_s > self.delta_ttl_s / 2, "publish_timeout_s must be at most half of delta_ttl_s"),
            (not 0 < self.idle_check_s <= 60, "idle_check_s must be positive and at most 60"),
        )
