"""The same load over one, two and four gateways and routers: speed, latency, CPU a job, memory, and idling."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import psutil
from bench.harness.load import Call, closed_loop, direct_call, weft_call
from bench.harness.processes import Meter
from bench.harness.undisturbed import least_disturbed, others_than
from bench.scale.affinity import kind_of
from bench.scale.run_size import RunSize
from bench.scale.scaled_mesh import ScaledMesh, by_kind
from bench.sections.cost.arrivals import Arrivals, measure_arrivals
from bench.sections.cost.saturation import Saturation, measure_saturation

from weft_kit.joblog import connect

IN_FLIGHT = (64, 256)
PER_MINUTE = 6_000


@dataclass(frozen=True)
class Traffic:
    """Bytes that nats-server read and wrote: sockets and files, all servers together."""

    read: int
    written: int

    @classmethod
    def of(cls, pids: Mapping[str, int]) -> "Traffic":
        """Reads what there was since the servers began."""
        servers = [psutil.Process(pid).io_counters() for name, pid in pids.items() if kind_of(name) == "nats"]
        return cls(sum(each.read_chars for each in servers), sum(each.write_chars for each in servers))

    def since(self, before: "Traffic") -> "Traffic":
        return Traffic(self.read - before.read, self.written - before.written)


@dataclass(frozen=True)
class FixedRate:
    """Calls at a fixed rate, and what nats-server read and wrote for them."""

    arrivals: Arrivals
    traffic: Traffic

    @property
    def jobs(self) -> int:
        return len(self.arrivals.through.outcomes)

    def cpu_ms(self, idle_cores: Mapping[str, float]) -> dict[str, float]:
        """Returns the CPU a job, by kind, beyond what is taken when idle."""
        busy, seconds = by_kind(self.arrivals.cpu_s), self.arrivals.through.seconds
        return {kind: 1000 * (cpu_s - idle_cores[kind] * seconds) / self.jobs for kind, cpu_s in busy.items()}


@dataclass(frozen=True)
class Point:
    """One round with so many replicas, on so many nats-servers."""

    nats: int
    replicas: int
    idle_cores: Mapping[str, float]
    closed: Sequence[Saturation]
    fixed: FixedRate
    resident_mib: Mapping[str, float]
    """Of each process, afterwards."""
    log_messages: int
    """In the log, afterwards."""
    others_percent: float

    @property
    def errors(self) -> int:
        loops = sum(cost.errors for loop in self.closed for cost in (*loop.weft, *loop.bare))
        return loops + len(self.fixed.arrivals.through.errors) + len(self.fixed.arrivals.without.errors)


async def measure_replicas(mesh: ScaledMesh, replicas: int, size: RunSize) -> Point:
    """Measures with so many gateways and routers, beside the pass-through and the mock in the same minute."""
    await mesh.scale_to(replicas, replicas)
    percents: list[float] = []
    async with (
        mesh.calls() as weft,
        weft_call(mesh.env.passthrough, "") as bare,
        direct_call(mesh.env.mock_url) as direct,
    ):
        for call in (weft, bare):
            await closed_loop(call, 16 * replicas, 1)  # imports, pools and caches warm
        idle = await mesh.idle_cores(size.idle_s)
        meter = mesh.meter()
        closed = [await _loop(mesh, meter, weft, bare, in_flight, size, percents) for in_flight in IN_FLIGHT]
        fixed = await _rate(mesh, meter, weft, direct, size, percents)
        resident, messages = meter.resident_mib(), await _log_messages(mesh)
        return Point(mesh.env.nats, replicas, idle, closed, fixed, resident, messages, max(percents))


async def _log_messages(mesh: ScaledMesh) -> int:
    async with connect(mesh.env.nats_url, "bench") as client:
        return (await client.jetstream().stream_info(mesh.env.log.stream)).state.messages


async def _loop(
    mesh: ScaledMesh, meter: Meter, weft: Call, bare: Call, in_flight: int, size: RunSize, percents: list[float]
) -> Saturation:
    found = await least_disturbed(
        lambda: measure_saturation(meter, weft, bare, in_flight, size.closed_s, 1),
        size.tries,
        others_than(mesh.env.pids),
    )
    size.made(found.tries)
    percents.append(found.percent)
    return found.result


async def _rate(
    mesh: ScaledMesh, meter: Meter, weft: Call, direct: Call, size: RunSize, percents: list[float]
) -> FixedRate:
    async def measure() -> FixedRate:
        before = Traffic.of(mesh.env.pids)
        arrivals = await measure_arrivals(meter, weft, direct, PER_MINUTE, size.open_s)
        return FixedRate(arrivals, Traffic.of(mesh.env.pids).since(before))

    found = await least_disturbed(measure, size.tries, others_than(mesh.env.pids))
    size.made(found.tries)
    percents.append(found.percent)
    return found.result
