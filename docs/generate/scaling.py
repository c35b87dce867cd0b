"""docs/scaling.md: the figures between its marks, computed by the model from what `make scale` measured last."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from bench.report.markdown import paragraph, table
from bench.scale.cost_tables import cost_table, stream_lines
from bench.scale.costs import Measured, read
from bench.scale.model import Limits, Need, Workload, limits, need, region_of

_PAGE: Final = Path(__file__).parents[1] / "scaling.md"
_BEGIN: Final = "<!-- Figures: written by `make docs` from bench/SCALE.json; change the model, not these lines. -->"
_END: Final = "<!-- End of the figures. -->"

_HOURLY: Final = Workload(tenants=1000, jobs_per_hour=60_000)
_MILLION: Final = Workload(tenants=1000, jobs_per_hour=1_000_000)
_GATHERED: Final = replace(_MILLION, flush_interval_s=0.25)
_REGION: Final = region_of(_GATHERED, 10)
_REGION_OF_NINE: Final = region_of(_GATHERED, 9)
_SCENARIOS: Final = {
    "1,000 tenants, a job a minute each": _HOURLY,
    "a million jobs an hour": _MILLION,
    "the same, tokens gathered for 250 ms": _GATHERED,
    "that, one of ten regions": _REGION,
    "that, with one region lost": _REGION_OF_NINE,
}
_SERVERS: Final = 3
_ROWS: Final[Sequence[tuple[str, Callable[[Need], str]]]] = (
    ("messages a second into the log", lambda n: f"{n.messages_per_second:,.0f}"),
    ("jobs in flight, each with a stream", lambda n: f"{n.in_flight:,.0f}"),
    ("gateways", lambda n: f"{n.replicas['gateway']}"),
    ("routers", lambda n: f"{n.replicas['router']}"),
    ("cores: gateways", lambda n: f"{n.cores['gateway']:.1f}"),
    ("cores: routers", lambda n: f"{n.cores['router']:.1f}"),
    ("cores: nats-servers", lambda n: f"{n.cores['nats']:.1f}"),
    ("cores: the one that leads the stream", lambda n: f"{n.leader_cores:.1f}"),
    ("cores: PostgreSQL", lambda n: f"{n.cores['postgres']:.2f}"),
    ("cores: Redis", lambda n: f"{n.cores['valkey']:.2f}"),
    ("MiB: a gateway", lambda n: f"{n.memory_mib['gateway']:,.0f}"),
    ("MiB: a router", lambda n: f"{n.memory_mib['router']:,.0f}"),
    ("MiB: a nats-server", lambda n: f"{n.memory_mib['nats']:,.0f}"),
    ("GiB: the log, on each nats-server's disk", lambda n: f"{n.log_gib:,.1f}"),
    ("MiB/s read by nats-servers", lambda n: f"{n.read_mib_per_second:,.1f}"),
    ("MiB/s written by them", lambda n: f"{n.written_mib_per_second:,.1f}"),
    ("rows of jobs in PostgreSQL, million", lambda n: f"{n.rows / 1e6:,.0f}"),
    ("GiB: their disk", lambda n: f"{n.rows_gib:,.0f}"),
    ("logs, and so meshes", lambda n: f"{n.streams}"),
)
_LIMITS: Final[Sequence[tuple[str, Callable[[Limits], float]]]] = (
    ("a gateway's core", lambda full: full.gateway),
    ("a router's core", lambda full: full.router),
    ("a router's slots", lambda full: full.slots),
    ("the stream's leader, as one thread", lambda full: full.leader),
    ("a log of the default size", lambda full: full.log),
)
_LIMITED: Final = {
    "short answers": replace(_MILLION, answer_tokens=32, tokens_per_second=1000.0),
    "500 tokens": _MILLION,
    "500 tokens, gathered for 250 ms": _GATHERED,
}


def page() -> str:
    """Returns the page in the tree, with its figures as the model computes them now."""
    before, rest = _PAGE.read_text(encoding="utf-8").split(_BEGIN)
    after = rest.split(_END)[1]
    return "\n".join((before + _BEGIN, "", *figures(read()), _END)) + after


def figures(measured: Measured) -> list[str]:
    """Returns the tables: costs, needs and limits."""
    costs, stream = measured.costs[_SERVERS], measured.stream
    quick = "**A quick run, to show that it works: not for quoting.** " if measured.is_quick else ""
    needs = [need(each, costs, stream) for each in _SCENARIOS.values()]
    return [
        *paragraph(
            f"{quick}Measured by `{measured.command}` on {measured.machine}. Others took at most "
            f"{measured.others_percent:.0f} % of it; the more, the higher are costs."
        ),
        "### What one more costs",
        "",
        *cost_table(measured.costs),
        *stream_lines(stream),
        "### What a mesh needs",
        "",
        *table(("", *_SCENARIOS), [(what, *map(figure, needs)) for what, figure in _ROWS]),
        "### What is full first",
        "",
        *table(("jobs a second at which it is full", *_LIMITED), [_limit_row(*row, measured) for row in _LIMITS]),
    ]


def _limit_row(what: str, figure: Callable[[Limits], float], measured: Measured) -> tuple[str, ...]:
    found = (limits(each, measured.costs[_SERVERS]) for each in _LIMITED.values())
    return (what, *(f"{figure(each):,.0f}" for each in found))
