"""Settings of the log, with their units and the checks that keep them consistent."""

from dataclasses import dataclass, replace
from typing import ClassVar, Self

from pydantic import ConfigDict

from weft_kit.mesh_id import DEFAULT_MESH_ID, MeshId

LEAST_BYTES = 16 * 1024**2
"""The smallest log: twice the largest message."""


@dataclass(frozen=True, slots=True)
class LogConfig:
    """How the stream stores events, how long it keeps them, and how long its readers and writers wait.

    Retention is a memory decision: nats-server holds some 2.3 KB a job, 1.4 GB for an hour at 10,000 jobs a minute.
    """

    # Read from JSON, where a mistyped name is a mistake too.
    __pydantic_config__: ClassVar = ConfigDict(extra="forbid")

    stream: str = "JOBS"
    """Name of the stream in JetStream."""
    prefix: str = "jobs"
    """First part of the subjects of stored events."""
    live_prefix: str = "live"
    """First part of the subjects under which stored events are republished."""
    mesh_id: MeshId = DEFAULT_MESH_ID
    """The mesh that the stream belongs to; services set it with `of_mesh`."""
    replicas: int = 1
    """Copies of the stream that a cluster keeps: 1, 3 or 5."""
    retention_s: float = 3 * 3600
    """How long events are kept, in seconds."""
    delta_ttl_s: float = 1800
    """How long deltas are kept, in seconds; later readers get only `done`. Must exceed a running job's longest silence,
    since an expired delta would break the job's own fence."""
    max_bytes: int = 8 * 1024**3
    """Size of the log on disk, in bytes. It is smaller while nats-server has less to give (it reserves at most three
    quarters of the disk space that was free when it started)."""
    flush_interval_s: float = 0.025
    """How long tokens may be collected for one write, in seconds."""
    ack_wait_s: float = 7.5
    """How long a worker may be silent before its jobs are handed to another, in seconds; a lost worker costs this much.
    Workers send a heartbeat every fifth of it, so a log that is down for two thirds of it takes no job from its
    worker."""
    accept_timeout_s: float = 5.0
    """How long accepts and reads wait for a log that is down before they fail, in seconds; short, because a caller
    waits."""
    publish_timeout_s: float = 30.0
    """How long the writes of a running job wait for it, in seconds; long, because its provider's stream is worth the
    wait."""
    idle_check_s: float = 5.0
    """How long a reader trusts silence before it looks for events that it may have missed, in seconds."""

    def of_mesh(self, mesh_id: str) -> Self:
        """Returns the same log for a mesh, whose id becomes part of the names of stream and subjects unless it is the
        default.
        """
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
        """Returns how often a worker sends a heartbeat for each of its jobs, in seconds."""
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
