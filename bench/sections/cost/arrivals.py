"""Arrivals at a fixed rate, held or not."""

from collections.abc import Mapping
from dataclasses import dataclass

from bench.harness.load import Call, Run, open_loop
from bench.harness.processes import Crowd, Meter
from bench.report.markdown import paragraph, table
from bench.sections.cost.saturation import busy, cpu_cells, cpu_ms_a_job

PER_MINUTE = 10_000


@dataclass(frozen=True)
class Arrivals:
    """One minute of them, and the mock called directly at the same rate."""

    through: Run
    without: Run
    cpu_s: Mapping[str, float]
    stolen_percent: float
    others_percent: float

    def lines(self) -> list[str]:
        cpu_ms = cpu_ms_a_job(self.through, self.cpu_s)
        names = busy(cpu_ms)
        return [
            f"### {PER_MINUTE:,} a minute (open loop)",
            "",
            *table(
                ("calls", "errors", "first token p50, ms", "added p50, ms", "added p99, ms"), [self._figures()], words=0
            ),
            *paragraph(
                "Added: beside the mock called directly at the same rate. A call that starts late is charged for it. "
                f"The host took {self.stolen_percent:.1f} % of the CPU time away meanwhile (steal), other processes of "
                f"this machine {self.others_percent:.1f} %: both show as stalls, first at p99."
            ),
            *table(("CPU ms a job", *names, "gateway + router"), [("", *cpu_cells(cpu_ms, names))]),
        ]

    def _figures(self) -> tuple[str, ...]:
        first, added, worst = (
            self.through.first_token_ms(0.5),
            self.through.first_token_ms(0.5) - self.without.first_token_ms(0.5),
            self.through.first_token_ms(0.99) - self.without.first_token_ms(0.99),
        )
        calls, errors = len(self.through.outcomes), len(self.through.errors)
        return (str(calls), str(errors), f"{first:.1f}", f"{added:.1f}", f"{worst:.1f}")


async def arrivals(meter: Meter, weft: Call, direct: Call, seconds: float) -> Arrivals:
    """The mock first, then Weft for as long as asked."""
    without = await open_loop(direct, PER_MINUTE / 60, min(seconds, 10))
    meter.restart()
    crowd = Crowd()
    through = await open_loop(weft, PER_MINUTE / 60, seconds)
    cpu_s = meter.cpu_seconds()
    return Arrivals(through, without, cpu_s, crowd.stolen_percent(), crowd.others_percent(cpu_s))
