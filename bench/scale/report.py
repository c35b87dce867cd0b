"""bench/SCALE.md: what was measured, round by round and in ratios within a round."""

from collections.abc import Iterable, Mapping
from statistics import median

from bench.harness.environment import FIRST_TOKEN_MS, TOKENS
from bench.report.document import machine
from bench.report.markdown import paragraph, table
from bench.report.samples import Samples
from bench.scale.affinity import Placement
from bench.scale.cost_tables import cost_table, stream_lines
from bench.scale.costs import KINDS, Costs, StreamCost
from bench.scale.findings import Findings
from bench.scale.margins import PACED_IN_FLIGHT, TENANT_JOBS_PER_MINUTE, Margins
from bench.scale.replicas import IN_FLIGHT, PER_MINUTE, Point
from bench.scale.scaled_mesh import PACED_PER_SECOND, PACED_TOKENS, by_kind
from bench.sections.cost.saturation import Cost

_ABOUT = f"""\
Every job is `Generate` over gRPC, as in RESULTS.md; the mock takes {FIRST_TOKEN_MS} ms to the first of {TOKENS} tokens,
then is as fast as it can. So many gateways and as many routers, over one nats-server or three that each keep a copy of
the log (R1, R3), on one machine, servers and load included. Meshes of one and of three servers take turns, and so do
the numbers of replicas within each; the pass-through, a bare gRPC server that streams the same answer, is called in the
same minute. A figure with a range is the median of the rounds and the lowest and highest of them."""
_SHARED = """\
**Mesh and load share the {cores} cores of this machine, so throughput cannot grow with replicas here.** What can be
read off is the cost of a job with more replicas (does it stay flat?), what two more copies of the log add, and what a
replica, a tenant and a stream cost while they do nothing. Each gateway and each router is on one core, in turn; servers
and load are on all."""
_APART = """\
Each gateway and each router is on one core, in turn, of the {mesh} that the mesh has; servers are on all of these. Load
generator and mock have {load} of their own."""


def render(found: Findings, costs: Mapping[int, Costs], stream: StreamCost, placement: Placement, command: str) -> str:
    """Returns the report as Markdown."""
    made = f"Made by `{command}` on {machine()}."
    where = (_SHARED if placement.is_shared else _APART).format(
        cores=len(placement.mesh), mesh=len(placement.mesh), load=len(placement.load)
    )
    quick = ["**A quick run: it shows that everything works. Its figures are not for quoting.**", ""]
    lines = [
        "# Weft at scale, measured",
        "",
        *paragraph(made),
        *(quick if "--quick" in command else []),
        *paragraph(_ABOUT),
        *paragraph(where),
        *paragraph(f"{found.errors} errors in all. Others took {found.others_percent:.1f} % of the machine at most."),
        *_speeds(found),
        *_cpu(found),
        *_rate(found),
        *_idle(found),
        *_memory(found),
        *_tenants(found),
        *_costs(costs, stream),
    ]
    return "\n".join(lines).rstrip() + "\n"


def _speeds(found: Findings) -> list[str]:
    head = ("log", "replicas", "in flight", "jobs/s", "/ pass-through", "p50, ms", "p99, ms", "errors")
    rows = [
        _speed(*shape, IN_FLIGHT[n], [(p.closed[n].weft[0], p.closed[n].bare[0]) for p in found.rounds(*shape)])
        for n in range(len(IN_FLIGHT))
        for shape in found.shapes
    ]
    return ["## As fast as it goes (closed loop)", "", *table(head, rows)]


def _speed(nats: int, replicas: int, in_flight: int, pairs: list[tuple[Cost, Cost]]) -> tuple[str, ...]:
    weft = [cost for cost, _ in pairs]
    return (
        f"R{nats}",
        str(replicas),
        str(in_flight),
        f"{Samples.of(cost.per_second for cost in weft):.0f}",
        f"{Samples.of(cost.per_second / bare.per_second for cost, bare in pairs):.2f}",
        f"{Samples.of(cost.p50_ms for cost in weft):.0f}",
        f"{Samples.of(cost.p99_ms for cost in weft):.0f}",
        str(sum(cost.errors + bare.errors for cost, bare in pairs)),
    )


def _cpu(found: Findings) -> list[str]:
    head = ("log", "replicas", "in flight", *KINDS, "together", "times the pass-through")
    rows = [
        _cpu_row(shape, IN_FLIGHT[n], [(p.closed[n].weft[0], p.closed[n].bare[0]) for p in found.rounds(*shape)])
        for n in range(len(IN_FLIGHT))
        for shape in found.shapes
    ]
    return ["CPU milliseconds a job then, all processes of a kind together:", "", *table(head, rows)]


def _cpu_row(shape: tuple[int, int], in_flight: int, pairs: list[tuple[Cost, Cost]]) -> tuple[str, ...]:
    each = [(by_kind(weft.cpu_ms), bare.cpu_ms["pass-through"]) for weft, bare in pairs]
    return (
        f"R{shape[0]}",
        str(shape[1]),
        str(in_flight),
        *_cells((cpu_ms for cpu_ms, _ in each), ".2f"),
        f"{Samples.of(sum(cpu_ms[kind] for kind in KINDS) / bare for cpu_ms, bare in each):.1f}",
    )


def _rate(found: Findings) -> list[str]:
    about = """\
Calls on a schedule, whether or not earlier ones have ended. Added: beside the mock called directly at the same rate.
CPU is in milliseconds a job, less what the same mesh takes while idle."""
    head = ("log", "replicas", "added p50, ms", "added p99, ms", "errors", *KINDS, "together")
    rows = [_rate_row(shape, found.rounds(*shape)) for shape in found.shapes]
    return [f"## {PER_MINUTE:,} a minute (open loop)", "", *paragraph(about), *table(head, rows)]


def _rate_row(shape: tuple[int, int], points: list[Point]) -> tuple[str, ...]:
    runs = [point.fixed.arrivals for point in points]
    added = [Samples.of(run.added_ms(share) for run in runs) for share in (0.5, 0.99)]
    return (
        f"R{shape[0]}",
        str(shape[1]),
        *(f"{each:.1f}" for each in added),
        str(sum(len(run.through.errors) for run in runs)),
        *_cells((point.fixed.cpu_ms(point.idle_cores) for point in points), ".2f"),
    )


def _idle(found: Findings) -> list[str]:
    head = ("log", "replicas", *KINDS, "together")
    rows = [
        (f"R{nats}", str(replicas), *_cells((p.idle_cores for p in found.rounds(nats, replicas)), ".3f"))
        for nats, replicas in found.shapes
    ]
    return ["## While nothing is asked", "", "CPU in cores, all processes of a kind together:", "", *table(head, rows)]


def _memory(found: Findings) -> list[str]:
    head = ("log", "replicas", *KINDS, "together")
    rows = [
        (f"R{nats}", str(replicas), *_cells((by_kind(p.resident_mib) for p in found.rounds(nats, replicas)), ".0f"))
        for nats, replicas in found.shapes
    ]
    about = """\
Resident MiB after the open loop, all processes of a kind together; the log fills from point to point. PostgreSQL's
shared buffers count once for each of its processes:"""
    return ["## Memory", "", *paragraph(about), *table(head, rows)]


def _tenants(found: Findings) -> list[str]:
    about = f"""\
A mesh of one gateway and one router, with more and more tenants, each with a key and one lane. First nothing is asked;
then all of them together ask {TENANT_JOBS_PER_MINUTE:,} jobs a minute, in turn. CPU a job is less what is taken when
idle. Last, one router more, idle. A tenant's first job opens its lane, in a gateway one after another; four of
them are asked for at once."""
    idle = ("log", "tenants", "routers", *KINDS, "together")
    busy = ("log", "tenants", "first token p50, ms", "p99, ms", "errors", *KINDS, "together")
    kinds = ("gateway", "router", "nats")
    return [
        "## More tenants",
        "",
        *paragraph(about),
        "CPU in cores while idle:",
        "",
        *table(idle, [row for margins in found.margins for row in _idle_tenants(margins)]),
        "What a new tenant's first job took, memory while idle (MiB), and at that rate CPU milliseconds a job:",
        "",
        *table(
            ("log", "tenants", "a first job, ms", *kinds),
            [
                (
                    f"R{m.nats}",
                    f"{t.tenants:,}",
                    f"{1000 * t.first_s:.0f}",
                    *(f"{t.resident_mib[kind]:.0f}" for kind in kinds),
                )
                for m in found.margins
                for t in m.tenants
            ],
        ),
        *table(busy, [row for margins in found.margins for row in _busy_tenants(margins)]),
    ]


def _idle_tenants(margins: Margins) -> list[tuple[str, ...]]:
    log, most = f"R{margins.nats}", f"{margins.tenants[-1].tenants:,}"
    alone = [(log, f"{each.tenants:,}", "1", *_cells([each.idle_cores], ".3f")) for each in margins.tenants]
    return [*alone, (log, most, "2", *_cells([margins.second_router_cores], ".3f"))]


def _busy_tenants(margins: Margins) -> list[tuple[str, ...]]:
    return [
        (
            f"R{margins.nats}",
            f"{each.tenants:,}",
            f"{each.run.first_token_ms(0.5):.0f}",
            f"{each.run.first_token_ms(0.99):.0f}",
            str(len(each.run.errors)),
            *_cells([each.cpu_ms()], ".2f"),
        )
        for each in margins.tenants
    ]


def _costs(costs: Mapping[int, Costs], stream: StreamCost) -> list[str]:
    about = f"""\
Medians and differences of the above, which the model of docs/scaling.md reads from SCALE.json. A further message of
tokens: {PACED_IN_FLIGHT} streams of {PACED_TOKENS} tokens at {PACED_PER_SECOND} a second, a message each, less a job
whose tokens come at once."""
    return ["## What one more costs", "", *paragraph(about), *cost_table(costs), *stream_lines(stream)]


def _cells(rounds: Iterable[Mapping[str, float]], form: str) -> tuple[str, ...]:
    """Returns the median of each kind, and of the sum of all, with the sum's range."""
    found = list(rounds)
    sums = Samples.of(sum(each[kind] for kind in KINDS) for each in found)
    return (*(f"{median(each[kind] for each in found):{form}}" for kind in KINDS), f"{sums:{form}}")
