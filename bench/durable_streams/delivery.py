"""Delivery: how long a token takes from its producer to its reader, and what it costs each process."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from bench.durable_streams import workload
from bench.durable_streams.systems.system import Running
from bench.harness.processes import Meter
from bench.report.markdown import paragraph, table
from bench.report.samples import Samples, quantile

_LATE_S = 10.0
_COLUMNS = ("log", "worker", "gateway", "provider", "reader")
_REST = "rest"

_ABOUT = """\
Each stream produces 20 tokens/s for {seconds:g} s; the streams start within a second. A token is the time at which it
was produced, and the reader, on the same machine and clock, computes its delay. Readers give up {late:.0f} s after
the last token. *Received* is the share of tokens that arrived by then; if it is below 100 %, p50 and p99 cover only
those; above, a reader that came again got some twice."""
_CPU = """\
CPU microseconds per token received, in the median round, with the start and the end of the streams. *Log* is
nats-server, valkey-server, the Node server or Temporal's server. *Worker* is the process that writes: Weft's router
(which reads a provider's stream over HTTP), Temporal's worker, or a writer that produces its tokens itself. *Gateway*
and *provider* are Weft's gateway and the mock. *Rest* is the rest of a mesh (PostgreSQL, Valkey, cache and others,
which also record the job). *Reader* is the process that reads all streams."""


@dataclass(frozen=True)
class Delivery:
    """One round of one load."""

    offered: int
    delays_ms: Sequence[float]
    cpu_s: Mapping[str, float]
    wrong: int

    @property
    def received(self) -> int:
        return len(self.delays_ms)

    def cpu_us(self, column: str) -> float:
        """Returns the CPU microseconds per token of a column's processes, or NaN if no token arrived."""
        return 1e6 * self.cpu_s.get(column, 0.0) / self.received if self.received else float("nan")

    @property
    def whole_us(self) -> float:
        """The sum without the provider, which only Weft runs as a separate process."""
        return sum(self.cpu_us(column) for column in (*_COLUMNS, _REST) if column != "provider")


@dataclass
class Deliveries:
    """The rounds of each load, by system."""

    seconds: float
    rounds: dict[tuple[int, str], list[Delivery]] = field(default_factory=dict)

    def add(self, streams: int, system: str, delivery: Delivery) -> None:
        self.rounds.setdefault((streams, system), []).append(delivery)

    def lines(self, reference: str) -> list[str]:
        """Returns this section of the report, with ratios to the system `reference`."""
        head = ("streams", "", "received, %", "p50, ms", "p99, ms", f"p50, x {reference}", "errors")
        in_order = sorted(self.rounds.items(), key=lambda item: item[0][0])
        speeds = [self._speed(key, rounds, reference) for key, rounds in in_order]
        costs = [_cost(key, rounds) for key, rounds in in_order]
        cost_head = ("streams", "", *_COLUMNS, _REST, "all but provider")
        return [
            "## Delivery of a token",
            "",
            *paragraph(_ABOUT.format(seconds=self.seconds, late=_LATE_S)),
            *table(head, speeds, words=2),
            *paragraph(_CPU),
            *table(cost_head, costs, words=2),
        ]

    def _speed(self, key: tuple[int, str], rounds: list[Delivery], reference: str) -> tuple[str, ...]:
        streams, system = key
        share = Samples.of(100 * each.received / each.offered for each in rounds)
        p50, p99 = (Samples.of(quantile(each.delays_ms, q) for each in rounds) for q in (0.5, 0.99))
        reference_rounds = self.rounds.get((streams, reference), [])
        ratio = _ratio(rounds, reference_rounds)
        wrong = sum(each.wrong for each in rounds)
        return (str(streams), system, f"{share.median:.1f}", f"{p50:.1f}", f"{p99:.1f}", ratio, str(wrong))


async def deliver(running: Running, prefix: str, streams: int, seconds: float) -> Delivery:
    """Measures one load."""
    given = workload.plan(prefix, streams, seconds, workload.SPREAD_S + seconds + _LATE_S)
    meter = Meter(running.processes())
    await workload.prepare(running, given)
    meter.restart()
    await workload.begin(running, given)
    await workload.ended(running)
    cpu_s = meter.cpu_seconds()
    streams_received = await workload.received(running)
    await workload.acknowledged(running)
    pairs = (pair for each in streams_received for pair in zip(each.produced_us, each.received_us, strict=True))
    delays_ms = [(at - produced) / 1000 for produced, at in pairs]
    wrong = sum(each.wrong != "" for each in streams_received)
    return Delivery(given.offered, delays_ms, by_column(cpu_s), wrong)


def by_column(cpu_s: Mapping[str, float]) -> dict[str, float]:
    """Sums up the processes that have no column as `rest`, without the measurement itself."""
    own = {column: cpu_s[column] for column in _COLUMNS if column in cpu_s}
    rest = [seconds for name, seconds in cpu_s.items() if name not in (*_COLUMNS, "client")]
    return own | ({_REST: sum(rest)} if rest else {})


def _ratio(rounds: Sequence[Delivery], reference_rounds: Sequence[Delivery]) -> str:
    """Returns the ratio of the median delays, round by round."""
    pairs = zip(rounds, reference_rounds, strict=False)
    ratios = [quantile(a.delays_ms, 0.5) / quantile(b.delays_ms, 0.5) for a, b in pairs if a.received and b.received]
    return f"{Samples.of(ratios):.2f}" if ratios else ""


def _cost(key: tuple[int, str], rounds: list[Delivery]) -> tuple[str, ...]:
    streams, system = key
    typical = sorted(rounds, key=lambda each: each.whole_us)[len(rounds) // 2]
    cells = (f"{typical.cpu_us(name):.0f}" if name in typical.cpu_s else "" for name in (*_COLUMNS, _REST))
    return (str(streams), system, *cells, f"{typical.whole_us:.0f}")
