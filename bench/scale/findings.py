"""From what was measured to what the model reads: medians of rounds, and differences of one more and one less."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from bench.scale.affinity import kind_of
from bench.scale.costs import KINDS, Costs, StreamCost
from bench.scale.margins import Margins
from bench.scale.replicas import Point
from bench.scale.scaled_mesh import by_kind

LANE_KINDS = ("gateway", "router", "nats")
"""Those that know lanes; the others only have their jobs."""


@dataclass(frozen=True)
class Findings:
    """Everything that a run measured."""

    points: Sequence[Point]
    margins: Sequence[Margins]

    def rounds(self, nats: int, replicas: int) -> list[Point]:
        """Returns the rounds with so many replicas on so many nats-servers."""
        return [point for point in self.points if (point.nats, point.replicas) == (nats, replicas)]

    @property
    def shapes(self) -> list[tuple[int, int]]:
        """Returns each number of nats-servers with each number of replicas, in order."""
        return sorted({(point.nats, point.replicas) for point in self.points})

    @property
    def errors(self) -> int:
        return sum(point.errors for point in self.points) + sum(margins.errors for margins in self.margins)

    @property
    def others_percent(self) -> float:
        """Returns the most that others took of the machine in any step."""
        of_replicas = [point.others_percent for point in self.points]
        of_tenants = [each.others_percent for margins in self.margins for each in margins.tenants]
        return max(*of_replicas, *of_tenants, *(margins.paced.others_percent for margins in self.margins))


def costs_of(found: Findings) -> dict[int, Costs]:
    """Returns the costs by the number of nats-servers."""
    return {margins.nats: _costs(found, margins) for margins in found.margins}


def stream_cost(found: Findings) -> StreamCost:
    """Returns what an open stream costs, on the mesh in which streams were opened."""
    waiting = next(margins.streams for margins in found.margins if margins.streams)
    kinds = ("gateway", "nats")
    return StreamCost(
        {kind: waiting.kib_a_stream(kind).median for kind in kinds},
        {kind: 1e6 * waiting.cores[kind] / waiting.streams for kind in kinds},
    )


def _costs(found: Findings, margins: Margins) -> Costs:
    alone = found.rounds(margins.nats, 1)
    least, most = margins.tenants[0], margins.tenants[-1]
    lanes = most.tenants - least.tenants
    short, long = margins.log["default"], margins.log["paced"]
    further = long.deltas - short.deltas
    job_ms = _medians(point.fixed.cpu_ms(point.idle_cores) for point in alone)
    idle = _medians(point.idle_cores for point in alone)
    read, written = (median(getattr(p.fixed.traffic, way) / p.fixed.jobs for p in alone) for way in ("read", "written"))
    paced_jobs = len(margins.paced.run.outcomes)
    return Costs(
        nats=margins.nats,
        job_ms=job_ms,
        message_us=_message_us(margins, job_ms, further),
        idle_cores=idle,
        busiest_nats=median(_busiest(point.fixed.arrivals.cpu_s) for point in alone),
        resident_mib=_medians(map(_each_mib, alone)),
        lane_us=_slope(least.idle_cores, most.idle_cores, lanes, 1e6),
        lane_router_us=_slope(most.idle_cores, _without_second(margins, idle), most.tenants, 1e6),
        lane_kib=_slope(least.resident_mib, most.resident_mib, lanes, 1024),
        messages=short.messages,
        event_bytes=short.event_bytes,
        delta_bytes=long.delta_bytes,
        job_read_bytes=read,
        job_written_bytes=written,
        message_read_bytes=max(0.0, margins.paced.traffic.read / paced_jobs - read) / further,
        message_written_bytes=max(0.0, margins.paced.traffic.written / paced_jobs - written) / further,
        job_kib=_job_kib(found, margins.nats, short.messages),
        row_bytes=margins.row_bytes,
    )


def _message_us(margins: Margins, job_ms: Mapping[str, float], further: float) -> dict[str, float]:
    """Returns the CPU of each message that paced jobs have more than those whose tokens come at once."""
    paced, idle = margins.paced, margins.paced.idle_cores
    jobs, busy = len(paced.run.outcomes), by_kind(paced.cpu_s)
    beyond = {kind: 1000 * (busy[kind] - idle[kind] * paced.run.seconds) / jobs - job_ms[kind] for kind in KINDS}
    return {kind: max(0.0, 1000 * ms / further) for kind, ms in beyond.items()}


def _without_second(margins: Margins, idle: Mapping[str, float]) -> dict[str, float]:
    """Returns the idle CPU with a second router, less what a router takes without any tenants."""
    second = margins.second_router_cores
    return {kind: cores - (idle["router"] if kind == "router" else 0) for kind, cores in second.items()}


def _busiest(cpu_s: Mapping[str, float]) -> float:
    """Returns the share of the busiest nats-server in what all of them take."""
    servers = [taken for name, taken in cpu_s.items() if kind_of(name) == "nats"]
    return max(servers) / sum(servers)


def _job_kib(found: Findings, nats: int, messages: float) -> float:
    """Returns the memory of one nats-server a job, from the most and least full log of a mesh."""
    full = sorted((point for point in found.points if point.nats == nats), key=lambda point: point.log_messages)
    first, last = full[0], full[-1]
    jobs = max(1.0, (last.log_messages - first.log_messages) / messages)
    grown = [(by_kind(point.resident_mib)["nats"]) / nats for point in (first, last)]
    return max(0.0, 1024 * (grown[1] - grown[0]) / jobs)


def _each_mib(point: Point) -> dict[str, float]:
    """Returns the memory of one process of each kind, the largest."""
    kinds = {kind_of(name) for name in point.resident_mib}
    return {kind: max(mib for name, mib in point.resident_mib.items() if kind_of(name) == kind) for kind in kinds}


def _medians(rounds: Iterable[Mapping[str, float]]) -> dict[str, float]:
    found = list(rounds)
    return {kind: max(0.0, median(each[kind] for each in found)) for kind in KINDS}


def _slope(before: Mapping[str, float], after: Mapping[str, float], steps: int, scale: float) -> dict[str, float]:
    return {kind: max(0.0, scale * (after[kind] - before[kind]) / steps) for kind in LANE_KINDS}
