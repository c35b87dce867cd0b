"""The model: from measured costs to the cores, memory, disk, network and replicas that a workload needs.

Everything is linear: a job costs what it cost when measured, however many there are. docs/scaling.md says where that
ends.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from bench.scale.costs import Costs, StreamCost

from weft_kit.joblog import LogConfig
from weft_router.config import Config

USE = 0.6
"""The share of a core that a replica, or a stream's leader, is planned to use; the rest is for bursts."""
SLOTS: int = Config.model_fields["slots"].default
"""Jobs that one router runs at once, unless it is told otherwise."""
LEAST_REPLICAS = 2
"""So that one may be lost or restarted."""
_LOG = LogConfig()


@dataclass(frozen=True)
class Workload:
    """What is asked of a mesh in its busiest hour."""

    tenants: int
    jobs_per_hour: float
    prompt_bytes: int = 4_000
    answer_tokens: int = 500
    bytes_per_token: float = 4.5
    first_token_s: float = 0.5
    tokens_per_second: float = 40.0
    flush_interval_s: float = _LOG.flush_interval_s
    retention_s: float = _LOG.retention_s
    delta_ttl_s: float = _LOG.delta_ttl_s
    waiting_streams: int = 0
    """Streams open on jobs that nobody works on yet, besides those in flight."""
    busy_hours: float = 10.0
    """Hours of such a rate that make up a day's jobs."""
    contents_days: float = 30.0
    records_days: float = 365.0

    @property
    def jobs_per_second(self) -> float:
        return self.jobs_per_hour / 3600

    @property
    def answer_bytes(self) -> float:
        return self.answer_tokens * self.bytes_per_token

    @property
    def messages_of_tokens(self) -> int:
        """Returns how many messages an answer's tokens make: those of one flush interval go together."""
        return math.ceil(self.answer_tokens / max(1.0, self.tokens_per_second * self.flush_interval_s))

    @property
    def job_s(self) -> float:
        """Returns how long a job runs."""
        return self.first_token_s + self.answer_tokens / self.tokens_per_second

    @property
    def in_flight(self) -> float:
        """Returns how many jobs run at once, each with its stream open: rate times duration."""
        return self.jobs_per_second * self.job_s


@dataclass(frozen=True)
class Need:
    """What a mesh needs for a workload."""

    messages_per_second: float
    in_flight: float
    replicas: Mapping[str, int]
    """Gateways, routers, and nats-servers."""
    cores: Mapping[str, float]
    """Of all processes of a kind together, on average in that hour."""
    leader_cores: float
    """Of the nats-server that leads the stream."""
    memory_mib: Mapping[str, float]
    """Of one process of each kind."""
    log_gib: float
    """The log on the disk of each nats-server."""
    read_mib_per_second: float
    """By all nats-servers together, sockets and files."""
    written_mib_per_second: float
    rows: float
    """Of jobs in PostgreSQL, once records are as old as they get."""
    rows_gib: float
    streams: int
    """How many logs, and so meshes, if the leader of each does its work in one thread."""


def need(workload: Workload, costs: Costs, stream: StreamCost) -> Need:
    """Returns what a mesh needs whose log is kept by as many nats-servers as the costs are of."""
    busy = _busy_cores(workload, costs)
    replicas = {
        "gateway": _replicas(busy["gateway"] + workload.waiting_streams * stream.us["gateway"] / 1e6, costs, "gateway"),
        "router": max(_replicas(busy["router"], costs, "router"), math.ceil(workload.in_flight / SLOTS)),
        "nats": costs.nats,
    }
    cores = _all_cores(workload, costs, stream, busy, replicas)
    leader = cores["nats"] * costs.busiest_nats
    read, written = _traffic(workload, costs)
    rows = workload.jobs_per_hour * workload.busy_hours * workload.records_days
    return Need(
        messages_per_second=workload.jobs_per_second * (costs.messages + _further(workload, costs)),
        in_flight=workload.in_flight,
        replicas=replicas,
        cores=cores,
        leader_cores=leader,
        memory_mib=_memory(workload, costs, stream, replicas),
        log_gib=_log_bytes(workload, costs) / 2**30,
        read_mib_per_second=read / 2**20,
        written_mib_per_second=written / 2**20,
        rows=rows,
        rows_gib=_rows_bytes(workload, costs) / 2**30,
        streams=max(1, math.ceil(leader / USE)),
    )


@dataclass(frozen=True)
class Limits:
    """Jobs a second at which each is full: of one replica, and of the one log that a mesh has."""

    gateway: float
    router: float
    slots: float
    leader: float
    log: float


def limits(workload: Workload, costs: Costs) -> Limits:
    """Returns what is full at which rate, whatever the workload's own rate is.

    A gateway and a router have one core, and so, to be careful, has the work of the stream's leader.
    """
    one = replace(workload, jobs_per_hour=3600.0)
    busy = _busy_cores(one, costs)
    return Limits(
        gateway=1 / busy["gateway"],
        router=1 / busy["router"],
        slots=SLOTS / workload.job_s,
        leader=1 / (busy["nats"] * costs.busiest_nats),
        log=_LOG.max_bytes / _log_bytes(one, costs),
    )


def region_of(workload: Workload, regions: int) -> Workload:
    """Returns one region's part, where each tenant is at home in one of them."""
    return replace(
        workload, tenants=math.ceil(workload.tenants / regions), jobs_per_hour=workload.jobs_per_hour / regions
    )


def _further(workload: Workload, costs: Costs) -> float:
    """Returns the messages of tokens beyond those that a measured short job has: all but its three events."""
    return max(0.0, workload.messages_of_tokens - (costs.messages - 3))


def _busy_cores(workload: Workload, costs: Costs) -> dict[str, float]:
    rate, further = workload.jobs_per_second, _further(workload, costs)
    return {kind: rate * (ms / 1e3 + further * costs.message_us[kind] / 1e6) for kind, ms in costs.job_ms.items()}


def _replicas(busy: float, costs: Costs, kind: str) -> int:
    """Returns how many of one core each do the work, each also idling as one does."""
    return max(LEAST_REPLICAS, math.ceil(busy / max(0.01, USE - costs.idle_cores[kind])))


def _all_cores(
    workload: Workload, costs: Costs, stream: StreamCost, busy: Mapping[str, float], replicas: Mapping[str, int]
) -> dict[str, float]:
    routers = replicas["router"]
    cores = {}
    for kind, work in busy.items():
        # Idling of gateways and routers grows with their number; that of the servers was measured whole.
        idle = costs.idle_cores[kind] * (replicas[kind] if kind in ("gateway", "router") else 1)
        lane_us = costs.lane_us.get(kind, 0.0) + (routers - 1) * costs.lane_router_us.get(kind, 0.0)
        lanes = workload.tenants * lane_us / 1e6
        cores[kind] = work + idle + lanes + workload.waiting_streams * stream.us.get(kind, 0.0) / 1e6
    return cores


def _memory(workload: Workload, costs: Costs, stream: StreamCost, replicas: Mapping[str, int]) -> dict[str, float]:
    """Returns the memory of one of each kind; every router knows every lane, streams are spread over gateways."""
    lanes = {kind: workload.tenants * kib / 1024 for kind, kib in costs.lane_kib.items()}
    open_streams = workload.in_flight + workload.waiting_streams
    streams = {kind: open_streams * kib / 1024 for kind, kib in stream.kib.items()}
    kept = workload.jobs_per_second * workload.retention_s * costs.job_kib / 1024
    mib = costs.resident_mib
    return {
        "gateway": mib["gateway"] + lanes["gateway"] + streams["gateway"] / replicas["gateway"],
        "router": mib["router"] + lanes["router"],
        "nats": mib["nats"] + lanes["nats"] / costs.nats + streams["nats"] / costs.nats + kept,
        "postgres": mib["postgres"],
        "valkey": mib["valkey"],
    }


def _log_bytes(workload: Workload, costs: Costs) -> float:
    """Returns the log's size: lasting events with prompt and answer, and tokens for as long as those are kept."""
    event = costs.event_bytes + workload.prompt_bytes + workload.answer_bytes
    tokens = workload.messages_of_tokens * costs.delta_bytes + workload.answer_bytes
    return workload.jobs_per_second * (workload.retention_s * event + workload.delta_ttl_s * tokens)


def _traffic(workload: Workload, costs: Costs) -> tuple[float, float]:
    """Returns what nats-server reads and writes a second; longer texts are counted on top of what was measured.

    A prompt comes once and an answer twice, in tokens and in `done`. Each server reads it and writes it to its disk,
    the leader sends it to the others, and to two readers: worker or gateway, and recorder.
    """
    further, rate = _further(workload, costs), workload.jobs_per_second
    text = workload.prompt_bytes + 2 * workload.answer_bytes
    read = costs.job_read_bytes + further * costs.message_read_bytes + costs.nats * text
    written = costs.job_written_bytes + further * costs.message_written_bytes + (2 * costs.nats - 1 + 2) * text
    return rate * read, rate * written


def _rows_bytes(workload: Workload, costs: Costs) -> float:
    """Returns PostgreSQL's disk; a row is counted whole for as long as its record is kept, texts while contents are."""
    jobs_per_day = workload.jobs_per_hour * workload.busy_hours
    texts = workload.prompt_bytes + workload.answer_bytes
    return jobs_per_day * (workload.records_days * costs.row_bytes + workload.contents_days * texts)
