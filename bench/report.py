"""The table: what was measured, on which machine, by which command."""

import platform
import statistics
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import grpc
import psutil
from bench.load import Run
from bench.stage import FIRST_TOKEN_MS, TOKENS

_STAGE = f"""\
One machine runs everything: gateway, router, cache, retrieval, inference, nats-server, PostgreSQL, Valkey, the mock
provider ({FIRST_TOKEN_MS} ms to the first token, {TOKENS} tokens, then as fast as it can) and the client. Every job is
`Generate` over gRPC: authenticated, rate-limited, validated, committed to the log, run by a worker over HTTP, every
token committed and fenced, recorded in PostgreSQL. The request names no temperature, so the cache is not asked, and no
collection, so retrieval is not either."""


@dataclass(frozen=True)
class Overhead:
    """Time to first token through Weft less the mock's own, one call in flight; medians over rounds, ms."""

    direct_p50_ms: float
    added_p50_ms: float
    added_p99_ms: float
    calls: int
    errors: int

    @classmethod
    def of(cls, pairs: list[tuple[Run, Run]]) -> "Overhead":
        return cls(
            statistics.median(without.first_token_ms(0.5) for _, without in pairs),
            statistics.median(w.first_token_ms(0.5) - d.first_token_ms(0.5) for w, d in pairs),
            statistics.median(w.first_token_ms(0.99) - d.first_token_ms(0.99) for w, d in pairs),
            sum(len(through.outcomes) for through, _ in pairs),
            sum(len(through.errors) for through, _ in pairs),
        )


@dataclass(frozen=True)
class Cost:
    """One closed-loop run: how many streams a second, how long each took, what each cost every process."""

    per_second: float
    p50_ms: float
    p99_ms: float
    errors: int
    cpu_ms: dict[str, float]

    @classmethod
    def of(cls, run: Run, cpu_s: dict[str, float]) -> "Cost":
        calls = max(1, len(run.outcomes))
        cpu_ms = {name: 1000 * seconds / calls for name, seconds in cpu_s.items()}
        return cls(run.per_second, run.total_ms(0.5), run.total_ms(0.99), len(run.errors), cpu_ms)


@dataclass(frozen=True)
class Saturation:
    """The most streams a second: Weft's, and those of the bare pass-through, which took turns with it."""

    in_flight: int
    weft: Cost
    bare: Cost

    @property
    def price(self) -> float:
        """CPU of gateway and router together over that of the pass-through, a stream."""
        return (self.weft.cpu_ms["gateway"] + self.weft.cpu_ms["router"]) / self.bare.cpu_ms["pass-through"]


@dataclass(frozen=True)
class OpenLoop:
    """A fixed arrival rate, held or not."""

    per_minute: int
    calls: int
    errors: int
    first_token_p50_ms: float
    added_p50_ms: float
    added_p99_ms: float
    cpu_ms_per_job: dict[str, float]
    stolen_percent: float

    @classmethod
    def of(
        cls, per_minute: int, through: Run, without: Run, cpu_s: dict[str, float], stolen_percent: float
    ) -> "OpenLoop":
        return cls(
            per_minute,
            len(through.outcomes),
            len(through.errors),
            through.first_token_ms(0.5),
            through.first_token_ms(0.5) - without.first_token_ms(0.5),
            through.first_token_ms(0.99) - without.first_token_ms(0.99),
            {name: 1000 * seconds / max(1, len(through.outcomes)) for name, seconds in cpu_s.items()},
            stolen_percent,
        )


@dataclass(frozen=True)
class Results:
    """Everything one run found."""

    overhead: Overhead
    saturation: tuple[Saturation, ...]
    open_loop: OpenLoop
    resident_mib: dict[str, float]
    quick: bool


def render(results: Results) -> str:
    """Writes the results as Markdown."""
    return "\n".join(
        (
            "# What a durable, streamed job costs",
            "",
            f"Made by `make bench`{' (--quick: not for quoting)' if results.quick else ''} on {_machine()}.",
            "",
            _STAGE,
            "",
            *_overhead(results.overhead),
            *_saturation(results.saturation),
            *_open_loop(results.open_loop),
            *_memory(results.resident_mib),
        )
    )


def _overhead(found: Overhead) -> list[str]:
    return [
        "## One call in flight",
        "",
        "| | first token, ms |",
        "|---|--:|",
        f"| the mock itself, p50 | {found.direct_p50_ms:.1f} |",
        f"| Weft adds at p50 | {found.added_p50_ms:.1f} |",
        f"| Weft adds at p99 | {found.added_p99_ms:.1f} |",
        "",
        f"{found.calls} calls, {found.errors} errors; Weft and the mock took turns; medians of the rounds.",
        "",
    ]


def _saturation(runs: tuple[Saturation, ...]) -> list[str]:
    names = [name for name, ms in runs[-1].weft.cpu_ms.items() if ms >= 0.01 and name != "pass-through"]
    return [
        "## Saturation (closed loop)",
        "",
        "| in flight | | streams/s | p50, ms | p99, ms | errors |",
        "|--:|---|--:|--:|--:|--:|",
        *(line for run in runs for line in (_row(run, "Weft", run.weft), _row(run, "pass-through", run.bare))),
        "",
        "CPU milliseconds a job, by process:",
        "",
        f"| in flight | {' | '.join(names)} | gateway + router | pass-through | times the pass-through |",
        f"|--:|{'--:|' * (len(names) + 3)}",
        *(
            f"| {r.in_flight} | {_cpu(r.weft.cpu_ms, names)} | {r.bare.cpu_ms['pass-through']:.2f} | {r.price:.1f} |"
            for r in runs
        ),
        "",
        "The pass-through is a bare Python gRPC server that streams the mock's answer: no log, keys, limits or record.",
        "",
    ]


def _row(run: Saturation, what: str, cost: Cost) -> str:
    speed = f"{cost.per_second:.0f} | {cost.p50_ms:.0f} | {cost.p99_ms:.0f}"
    return f"| {run.in_flight} | {what} | {speed} | {cost.errors} |"


def _open_loop(held: OpenLoop) -> list[str]:
    names = [name for name, ms in held.cpu_ms_per_job.items() if ms >= 0.01]
    return [
        f"## {held.per_minute:,} a minute (open loop)",
        "",
        "| calls | errors | first token p50, ms | added p50, ms | added p99, ms |",
        "|--:|--:|--:|--:|--:|",
        f"| {held.calls} | {held.errors} | {_ms(held.first_token_p50_ms, held.added_p50_ms, held.added_p99_ms)} |",
        "",
        "Added: beside the mock called directly at the same rate. A call that starts late is charged for it. The host",
        f"took {held.stolen_percent:.1f} % of the CPU time away meanwhile (steal), which shows as stalls at p99.",
        "",
        f"| CPU ms a job | {' | '.join(names)} | gateway + router |",
        f"|--:|{'--:|' * (len(names) + 1)}",
        f"| | {_cpu(held.cpu_ms_per_job, names)} |",
        "",
    ]


def _memory(resident_mib: dict[str, float]) -> list[str]:
    rows = (f"| {name} | {mib:.0f} |" for name, mib in resident_mib.items())
    return ["## Resident memory at the end", "", "| process | MiB |", "|---|--:|", *rows, ""]


def _ms(*values: float) -> str:
    return " | ".join(f"{value:.1f}" for value in values)


def _cpu(by_process: dict[str, float], names: list[str]) -> str:
    both = by_process.get("gateway", 0.0) + by_process.get("router", 0.0)
    return " | ".join([*(f"{by_process[name]:.2f}" for name in names), f"{both:.2f}"])


def _machine() -> str:
    began = time.perf_counter()
    sum(range(20_000_000))
    spin_s = time.perf_counter() - began
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "an unnamed CPU")
    memory = psutil.virtual_memory().total / 2**30
    return (
        f"{psutil.cpu_count()} cores of {model}, {memory:.0f} GiB, {platform.system()} {platform.release()}, "
        f"Python {platform.python_version()}, grpcio {grpc.__version__}, {datetime.now(UTC):%Y-%m-%d}. "
        f"The machine is shared and its speed changes: at the end, `sum(range(20_000_000))` took {spin_s:.2f} s"
    )
