"""Saturation: the most streams per second, next to a bare pass-through, and the CPU of every process for each."""

from collections.abc import Mapping
from dataclasses import dataclass

from bench.harness.load import Call, Run, closed_loop
from bench.harness.processes import Meter
from bench.report.document import Aim
from bench.report.markdown import paragraph, table
from bench.report.samples import Samples

MOST_PRICE = 2.5
LEAST_PER_SECOND = 800
MOST_NATS_MS = 0.25


@dataclass(frozen=True)
class Cost:
    """One closed-loop run: streams per second, how long each took, and the CPU of every process for each."""

    per_second: float
    p50_ms: float
    p99_ms: float
    errors: int
    cpu_ms: Mapping[str, float]

    @classmethod
    def of(cls, run: Run, cpu_s: Mapping[str, float]) -> "Cost":
        return cls(run.per_second, run.total_ms(0.5), run.total_ms(0.99), len(run.errors), cpu_ms_a_job(run, cpu_s))


@dataclass(frozen=True)
class Saturation:
    """Rounds in which Weft and the pass-through took turns."""

    in_flight: int
    weft: tuple[Cost, ...]
    bare: tuple[Cost, ...]

    @property
    def typical(self) -> tuple[Cost, Cost]:
        """The round with Weft's median of streams per second."""
        pairs = sorted(zip(self.weft, self.bare, strict=True), key=lambda pair: pair[0].per_second)
        return pairs[len(pairs) // 2]

    @property
    def price(self) -> float:
        """The CPU of gateway and router for a job, in that of the pass-through."""
        weft, bare = self.typical
        return gateway_and_router(weft.cpu_ms) / bare.cpu_ms["pass-through"]

    def speeds(self) -> list[tuple[str, ...]]:
        """Returns the rows of the table of speeds."""
        return [
            _speed(str(self.in_flight), "Weft", self.weft),
            _speed(str(self.in_flight), "pass-through", self.bare),
        ]

    def cpu(self, names: list[str]) -> tuple[str, ...]:
        """Returns the row of the table of CPU."""
        weft, bare = self.typical
        return (
            str(self.in_flight),
            *cpu_cells(weft.cpu_ms, names),
            f"{bare.cpu_ms['pass-through']:.2f}",
            f"{self.price:.1f}",
        )


def saturation_lines(runs: list[Saturation]) -> list[str]:
    """Returns this part of the section."""
    names = busy_processes(runs[-1].typical[0].cpu_ms)
    head = ("in flight", *names, "gateway + router", "pass-through", "times the pass-through")
    return [
        "### Saturation (closed loop)",
        "",
        *table(
            ("in flight", "", "streams/s", "p50, ms", "p99, ms", "errors"),
            [row for run in runs for row in run.speeds()],
            words=2,
        ),
        "CPU milliseconds a job, by process, in the median round:",
        "",
        *table(head, [run.cpu(names) for run in runs]),
        *paragraph(
            "The pass-through is a bare Python gRPC server that streams the mock's answer: no log, no keys, "
            "no limits, no record."
        ),
    ]


def saturation_aims(runs: list[Saturation]) -> list[Aim]:
    """Returns the aims for the CPU of a job and for the streams a second."""
    loads = " and ".join(str(run.in_flight) for run in runs)
    prices = " and ".join(f"{run.price:.1f}" for run in runs)
    most = max(runs, key=lambda run: run.typical[0].per_second)
    reached = Samples.of(cost.per_second for cost in most.weft)
    nats_ms = runs[-1].typical[0].cpu_ms["nats"]
    return [
        Aim(
            f"gateway + router, CPU a job, {loads} in flight: at most {MOST_PRICE:g} times the pass-through",
            prices,
            all(run.price <= MOST_PRICE for run in runs),
        ),
        Aim(
            f"durable streamed jobs a second: at least {LEAST_PER_SECOND:g}",
            f"{reached:.0f}",
            reached.median >= LEAST_PER_SECOND,
        ),
        Aim(
            f"nats-server, CPU a job, {runs[-1].in_flight} in flight: at most {MOST_NATS_MS:g} ms",
            f"{nats_ms:.2f}",
            nats_ms <= MOST_NATS_MS,
        ),
    ]


async def measure_saturation(
    meter: Meter, weft: Call, bare: Call, in_flight: int, seconds: float, rounds: int
) -> Saturation:
    """Runs the pass-through and Weft in turn, each as fast as it goes."""
    through, without = [], []
    for _ in range(rounds):
        meter.restart()
        without.append(Cost.of(await closed_loop(bare, in_flight, seconds / 2), meter.cpu_seconds()))
        meter.restart()
        through.append(Cost.of(await closed_loop(weft, in_flight, seconds), meter.cpu_seconds()))
    return Saturation(in_flight, tuple(through), tuple(without))


def cpu_ms_a_job(run: Run, cpu_s: Mapping[str, float]) -> dict[str, float]:
    """Returns the CPU milliseconds per call, by process."""
    return {name: 1000 * seconds / max(1, len(run.outcomes)) for name, seconds in cpu_s.items()}


def busy_processes(cpu_ms: Mapping[str, float]) -> list[str]:
    """Returns the processes that used enough CPU for a column; the pass-through has one of its own."""
    return [name for name, ms in cpu_ms.items() if ms >= 0.01 and name != "pass-through"]


def gateway_and_router(cpu_ms: Mapping[str, float]) -> float:
    """Returns the CPU of gateway and router together, for which the aim is set."""
    return cpu_ms["gateway"] + cpu_ms["router"]


def cpu_cells(cpu_ms: Mapping[str, float], names: list[str]) -> tuple[str, ...]:
    """Returns a cell for each process, and one for gateway and router together."""
    return (*(f"{cpu_ms[name]:.2f}" for name in names), f"{gateway_and_router(cpu_ms):.2f}")


def _speed(in_flight: str, what: str, rounds: tuple[Cost, ...]) -> tuple[str, ...]:
    figures = ([cost.per_second for cost in rounds], [cost.p50_ms for cost in rounds], [cost.p99_ms for cost in rounds])
    return (in_flight, what, *(f"{Samples.of(each):.0f}" for each in figures), str(sum(cost.errors for cost in rounds)))
