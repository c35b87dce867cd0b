"""What a run found a job, a message, a tenant, a stream and a replica to cost: written as JSON, read by the model."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

MEASURED = Path(__file__).parents[1] / "SCALE.json"
KINDS = ("gateway", "router", "nats", "postgres", "valkey")


@dataclass(frozen=True)
class Costs:
    """Costs on a log of so many servers, a copy each. Those by kind are of all its processes together."""

    nats: int
    job_ms: Mapping[str, float]
    """CPU of a job of 32 tokens, which come at once."""
    message_us: Mapping[str, float]
    """CPU of a further message of tokens."""
    idle_cores: Mapping[str, float]
    """CPU of one replica that has nothing to do; of nats, of all its servers."""
    busiest_nats: float
    """The share of one nats-server, the stream's leader, in what all of them take."""
    resident_mib: Mapping[str, float]
    """Memory of one replica, or server, at the fixed rate."""
    lane_us: Mapping[str, float]
    """CPU each second of a tenant's lane that is empty, with one router; of gateway, router and nats."""
    lane_router_us: Mapping[str, float]
    """The same for each further router."""
    lane_kib: Mapping[str, float]
    """Memory of a lane; of nats, of all its servers."""
    messages: float
    """Messages of a job whose tokens come at once."""
    event_bytes: float
    """What a job's lasting messages take in the log, without prompt and answer."""
    delta_bytes: float
    """What a message of tokens takes in the log, without the tokens."""
    job_read_bytes: float
    """Read by nats-server, all servers together, for a job whose tokens come at once: sockets and files."""
    job_written_bytes: float
    message_read_bytes: float
    """The same for a further message of tokens."""
    message_written_bytes: float
    job_kib: float
    """Memory of one nats-server for each job in its log."""
    row_bytes: float
    """PostgreSQL's disk for each recorded job, indexes included."""


@dataclass(frozen=True)
class StreamCost:
    """What an open stream that waits costs a gateway and nats-server: memory, and CPU each second."""

    kib: Mapping[str, float]
    us: Mapping[str, float]


@dataclass(frozen=True)
class Measured:
    """A run's findings, the machine and the command they are of."""

    machine: str
    command: str
    is_quick: bool
    others_percent: float
    """The most that others took of the machine in any step."""
    costs: Mapping[int, Costs]
    """By the number of nats-servers."""
    stream: StreamCost


def write(measured: Measured, path: Path = MEASURED) -> None:
    """Writes what the model reads, with three digits that count."""
    path.write_text(json.dumps(_rounded(asdict(measured)), indent=2) + "\n", encoding="utf-8")


def read(path: Path = MEASURED) -> Measured:
    """Reads what a run wrote."""
    found = json.loads(path.read_text(encoding="utf-8"))
    costs = {int(nats): Costs(**each) for nats, each in found["costs"].items()}
    return Measured(
        found["machine"],
        found["command"],
        found["is_quick"],
        found["others_percent"],
        costs,
        StreamCost(**found["stream"]),
    )


def _rounded(value: object) -> object:
    if isinstance(value, dict):
        return {str(key): _rounded(each) for key, each in value.items()}
    return float(f"{value:.3g}") if isinstance(value, float) else value
