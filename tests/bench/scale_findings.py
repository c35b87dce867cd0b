"""Invented findings: round figures, of which the costs can be worked out by hand."""

from bench.harness.load import Outcome, Run
from bench.scale.costs import KINDS, Costs, StreamCost
from bench.scale.findings import Findings
from bench.scale.log_bytes import LogUse
from bench.scale.margins import Margins, Paced, Tenants
from bench.scale.replicas import FixedRate, Point, Traffic
from bench.sections.cost.arrivals import Arrivals
from bench.sections.cost.saturation import Cost, Saturation
from bench.sections.idle import Waiting

COSTS = Costs(
    nats=3,
    job_ms={"gateway": 4.0, "router": 5.0, "nats": 3.0, "postgres": 0.1, "valkey": 0.1},
    message_us={"gateway": 100.0, "router": 200.0, "nats": 300.0, "postgres": 0.0, "valkey": 0.0},
    idle_cores={"gateway": 0.02, "router": 0.03, "nats": 0.06, "postgres": 0.01, "valkey": 0.01},
    busiest_nats=0.5,
    resident_mib={"gateway": 100.0, "router": 120.0, "nats": 60.0, "postgres": 80.0, "valkey": 10.0},
    lane_us={"gateway": 0.0, "router": 10.0, "nats": 50.0},
    lane_router_us={"gateway": 0.0, "router": 10.0, "nats": 5.0},
    lane_kib={"gateway": 1.0, "router": 4.0, "nats": 96.0},
    messages=5.0,
    event_bytes=1500.0,
    delta_bytes=200.0,
    job_read_bytes=10_000.0,
    job_written_bytes=20_000.0,
    message_read_bytes=1_000.0,
    message_written_bytes=2_000.0,
    job_kib=3.0,
    row_bytes=1_000.0,
)
STREAM = StreamCost(kib={"gateway": 40.0, "nats": 3.0}, us={"gateway": 50.0, "nats": 20.0})
_SECONDS = 10.0
_ALL_KINDS = (*KINDS, "client", "pass-through")


def cpu_s(gateways: int, nats: int, each: float) -> dict[str, float]:
    """Returns so many CPU seconds for every process of a mesh, and a second for the load."""
    replicas = [f"{kind}-{n}" if n > 1 else kind for kind in ("gateway", "router") for n in range(1, gateways + 1)]
    servers = [f"nats-{n}" if n > 1 else "nats" for n in range(1, nats + 1)]
    return dict.fromkeys([*replicas, *servers, "postgres", "valkey"], each) | {"client": 1.0, "pass-through": 1.0}


def run(calls: int, first_token_s: float = 0.03, errors: int = 0) -> Run:
    failed = [Outcome(0, 0, "UNAVAILABLE")] * errors
    return Run([Outcome(first_token_s, 2 * first_token_s)] * (calls - errors) + failed, _SECONDS)


def point(nats: int, replicas: int, errors: int = 0, jobs_before: int = 0) -> Point:
    cost = Cost(100.0, 200.0, 400.0, 0, cpu_s(replicas, nats, 2.0))
    bare = Cost(400.0, 50.0, 90.0, 0, cpu_s(replicas, nats, 1.0))
    arrivals = Arrivals(6000, run(1000, errors=errors), run(100, 0.02), cpu_s(replicas, nats, 2.1), 0.0, 0.0)
    idle = dict.fromkeys(_ALL_KINDS, 0.01)
    return Point(
        nats,
        replicas,
        idle,
        [Saturation(64, (cost,), (bare,)), Saturation(256, (cost,), (bare,))],
        FixedRate(arrivals, Traffic(5_000_000, 10_000_000)),
        cpu_s(replicas, nats, 100.0 + jobs_before / 1024),
        5 * jobs_before,
        1.5,
    )


def margins(nats: int) -> Margins:
    tenants = [_tenants(10, 0.01, 50.0), _tenants(1010, 0.06, 150.0)]
    paced = Paced(tenants[-1].idle_cores, run(100), cpu_s(1, nats, 5.6), Traffic(2_500_000, 5_000_000), 0.5)
    second = tenants[-1].idle_cores | {"router": 0.08}
    log = {"default": LogUse(5.0, 2.0, 1500.0, 250.0), "paced": LogUse(203.0, 200.0, 1500.0, 200.0)}
    resident = [{"gateway": mib, "nats": mib / 4} for mib in (100.0, 104.0, 108.0, 112.0, 116.0)]
    waiting = Waiting(400, resident, resident[0], {"gateway": 0.04, "nats": 0.02})
    return Margins(nats, tenants, second, paced, log, 1000.0, waiting if nats == 1 else None)


def _tenants(count: int, idle: float, mib: float) -> Tenants:
    return Tenants(
        count, 0.03, dict.fromkeys(_ALL_KINDS, idle), dict.fromkeys(_ALL_KINDS, mib), run(500), cpu_s(1, 1, 2.0), 2.5
    )


def findings(errors: int = 0) -> Findings:
    points = [point(nats, replicas, errors, 1024 * replicas) for nats in (1, 3) for replicas in (1, 2, 4)]
    return Findings(points, [margins(1), margins(3)])
