"""Calls that arrive at a fixed rate: what Weft adds to their latency, how busy the machine is, and what a job costs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import psutil
from bench.harness.load import Call, Run, open_loop
from bench.harness.processes import HostLoad, Meter
from bench.report.document import Aim
from bench.report.markdown import paragraph, table
from bench.sections.cost.saturation import busy_processes, cpu_cells, cpu_ms_a_job, gateway_and_router

_BASELINE_S: Final = 10
"""How long the mock and the pass-through are called at most."""

_ABOUT: Final = """\
Added: beside the mock called directly at the same rate. A call that starts late is charged for it. Busy: how much of
all cores the processes of the section used, load generator and mock included; the closer to 100 %, the longer a job
waits for a core, first at p99. Others: what the host took away (steal), and what other processes of the machine used.
The pass-through was called at the same rate: a job costs it more too where each process runs for a moment only, and
finds its caches cold."""


@dataclass(frozen=True)
class Arrivals:
    """Calls at a fixed rate through Weft, and to the mock directly."""

    per_minute: int
    through: Run
    without: Run
    cpu_s: Mapping[str, float]
    stolen_percent: float
    others_percent: float

    @property
    def cpu_ms(self) -> Mapping[str, float]:
        """CPU milliseconds a job, by process."""
        return cpu_ms_a_job(self.through, self.cpu_s)

    def latency(self) -> tuple[str, ...]:
        """Returns the row of the table of latencies."""
        added = (f"{self.added_ms(share):.1f}" for share in (0.5, 0.99))
        busy = 100 * sum(self.cpu_s.values()) / (self.through.seconds * (psutil.cpu_count() or 1))
        return (
            f"{self.per_minute:,}",
            *(str(len(calls)) for calls in (self.through.outcomes, self.through.errors)),
            f"{self.through.first_token_ms(0.5):.1f}",
            *added,
            f"{busy:.0f} %",
            f"{self.stolen_percent:.1f} + {self.others_percent:.1f} %",
        )

    def cost(self, names: list[str], bare_ms: float) -> tuple[str, ...]:
        """Returns the row of the table of CPU, next to the CPU milliseconds of the pass-through a call."""
        price = gateway_and_router(self.cpu_ms) / bare_ms
        return (f"{self.per_minute:,}", *cpu_cells(self.cpu_ms, names), f"{bare_ms:.2f}", f"{price:.1f}")

    def aim_of_cpu(self, most_ms: float) -> Aim:
        """Returns the aim for the CPU of gateway and router."""
        reached_ms = gateway_and_router(self.cpu_ms)
        wanted = f"gateway + router at {self.per_minute:,} a minute: at most {most_ms:g} ms of CPU a job"
        return Aim(wanted, f"{reached_ms:.1f}", reached_ms <= most_ms)

    def aim_of_p99(self, most_ms: float) -> Aim:
        """Returns the aim for what is added to the first token at p99, without an error."""
        reached_ms, errors = self.added_ms(0.99), len(self.through.errors)
        wanted = f"{self.per_minute:,} a minute, for a minute: no errors, at most {most_ms:g} ms added at p99"
        return Aim(wanted, f"{errors:,} errors, {reached_ms:.0f} ms", not errors and reached_ms <= most_ms)

    def added_ms(self, share: float) -> float:
        """Returns what Weft adds to a quantile of the time to first token, in milliseconds."""
        return self.through.first_token_ms(share) - self.without.first_token_ms(share)


def arrivals_lines(found: Sequence[tuple[Arrivals, float]]) -> list[str]:
    """Returns this part of the section; with each rate go the CPU milliseconds of the pass-through a call."""
    names = busy_processes(found[-1][0].cpu_ms)
    figures = ("first token p50, ms", "added p50, ms", "added p99, ms", "busy", "others")
    return [
        "### Calls at a fixed rate (open loop)",
        "",
        *table(("a minute", "calls", "errors", *figures), [arrivals.latency() for arrivals, _ in found]),
        *paragraph(_ABOUT),
        "CPU milliseconds a job, by process:",
        "",
        *table(
            ("a minute", *names, "gateway + router", "pass-through", "times the pass-through"),
            [arrivals.cost(names, bare_ms) for arrivals, bare_ms in found],
        ),
    ]


async def measure_arrivals(meter: Meter, weft: Call, direct: Call, per_minute: int, seconds: float) -> Arrivals:
    """Calls the mock first, for at most ten seconds, then Weft for the whole time."""
    without = await open_loop(direct, per_minute / 60, min(seconds, _BASELINE_S))
    meter.restart()
    host = HostLoad()
    through = await open_loop(weft, per_minute / 60, seconds)
    cpu_s = meter.cpu_seconds()
    return Arrivals(per_minute, through, without, cpu_s, host.stolen_percent(), host.others_percent(cpu_s))


async def measure_bare_ms(meter: Meter, bare: Call, per_minute: int, seconds: float) -> float:
    """Returns the CPU milliseconds of the pass-through a call, from at most ten seconds at the same rate."""
    meter.restart()
    calls = await open_loop(bare, per_minute / 60, min(seconds, _BASELINE_S))
    return cpu_ms_a_job(calls, meter.cpu_seconds())["pass-through"]
