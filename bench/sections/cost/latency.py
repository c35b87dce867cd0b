"""The latency that Weft adds to the mock's own: with one call in flight, and with calls that arrive at a fixed rate."""

from collections.abc import Mapping
from dataclasses import dataclass

from bench.harness.load import Call, Run, open_loop
from bench.harness.processes import HostLoad, Meter
from bench.report.document import Aim
from bench.report.markdown import paragraph, table
from bench.report.samples import Samples
from bench.sections.cost.saturation import busy_processes, cpu_cells, cpu_ms_a_job, gateway_and_router


@dataclass(frozen=True)
class Overhead:
    """Time to first token with one call in flight, in milliseconds, with a value for each round."""

    direct_p50_ms: Samples
    added_p50_ms: Samples
    added_p99_ms: Samples
    calls: int
    errors: int

    @classmethod
    def of(cls, pairs: list[tuple[Run, Run]]) -> "Overhead":
        """Returns the overhead from a pair of runs for each round: through Weft, and without it."""
        return cls(
            Samples.of(without.first_token_ms(0.5) for _, without in pairs),
            Samples.of(through.first_token_ms(0.5) - without.first_token_ms(0.5) for through, without in pairs),
            Samples.of(through.first_token_ms(0.99) - without.first_token_ms(0.99) for through, without in pairs),
            sum(len(through.outcomes) for through, _ in pairs),
            sum(len(through.errors) for through, _ in pairs),
        )

    def lines(self) -> list[str]:
        """Returns this part of the section."""
        return [
            "### One call in flight",
            "",
            *table(
                ("", "first token, ms"),
                [
                    ("the mock itself, p50", f"{self.direct_p50_ms:.1f}"),
                    ("Weft adds at p50", f"{self.added_p50_ms:.1f}"),
                    ("Weft adds at p99", f"{self.added_p99_ms:.1f}"),
                ],
            ),
            f"{self.calls} calls, {self.errors} errors; Weft and the mock took turns.",
            "",
        ]

    def aim(self, most_ms: float) -> Aim:
        """Returns the aim for what is added to the first token at the median."""
        wanted = f"first token with one call in flight: at most {most_ms:g} ms added at p50"
        return Aim(wanted, f"{self.added_p50_ms:.1f}", self.added_p50_ms.median <= most_ms)


async def measure_overhead(weft: Call, direct: Call, calls: int, rounds: int) -> Overhead:
    """Calls Weft and the mock in turn, so that noise affects both alike."""
    pairs: list[tuple[Run, Run]] = []
    for _ in range(rounds):
        through, without = Run(), Run()
        for _ in range(calls):
            through.outcomes.append(await weft())
            without.outcomes.append(await direct())
        pairs.append((through, without))
    return Overhead.of(pairs)


@dataclass(frozen=True)
class Arrivals:
    """Calls at a fixed rate through Weft, and the mock called directly at the same rate."""

    per_minute: int
    through: Run
    without: Run
    cpu_s: Mapping[str, float]
    stolen_percent: float
    others_percent: float

    def lines(self) -> list[str]:
        """Returns this part of the section."""
        cpu_ms = cpu_ms_a_job(self.through, self.cpu_s)
        names = busy_processes(cpu_ms)
        return [
            f"### {self.per_minute:,} a minute (open loop)",
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

    def aim_of_cpu(self, most_ms: float) -> Aim:
        """Returns the aim for the CPU of gateway and router."""
        reached_ms = gateway_and_router(cpu_ms_a_job(self.through, self.cpu_s))
        wanted = f"gateway + router at {self.per_minute:,} a minute: at most {most_ms:g} ms of CPU a job"
        return Aim(wanted, f"{reached_ms:.1f}", reached_ms <= most_ms)

    def aim_of_p99(self, most_ms: float) -> Aim:
        """Returns the aim for what is added to the first token at p99, without an error."""
        reached_ms, errors = self._added_ms(0.99), len(self.through.errors)
        wanted = f"{self.per_minute:,} a minute, for a minute: no errors, at most {most_ms:g} ms added at p99"
        return Aim(wanted, f"{errors:,} errors, {reached_ms:.0f} ms", not errors and reached_ms <= most_ms)

    def _figures(self) -> tuple[str, ...]:
        added = (f"{self._added_ms(share):.1f}" for share in (0.5, 0.99))
        calls, errors = len(self.through.outcomes), len(self.through.errors)
        return (str(calls), str(errors), f"{self.through.first_token_ms(0.5):.1f}", *added)

    def _added_ms(self, share: float) -> float:
        return self.through.first_token_ms(share) - self.without.first_token_ms(share)


async def measure_arrivals(meter: Meter, weft: Call, direct: Call, per_minute: int, seconds: float) -> Arrivals:
    """Calls the mock first, for at most ten seconds, then Weft for the whole time."""
    without = await open_loop(direct, per_minute / 60, min(seconds, 10))
    meter.restart()
    host = HostLoad()
    through = await open_loop(weft, per_minute / 60, seconds)
    cpu_s = meter.cpu_seconds()
    return Arrivals(per_minute, through, without, cpu_s, host.stolen_percent(), host.others_percent(cpu_s))
