"""Delivery: how long a token is on its way from whoever says it to its reader, and what it costs every process."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from bench.durable_streams import reading
from bench.durable_streams.systems.system import Running
from bench.harness.processes import Meter
from bench.report.markdown import paragraph, table
from bench.report.samples import Samples, quantile

_LATE_S = 10.0
_COLUMNS = ("log", "worker", "gateway", "provider", "reader")
_REST = "rest"

_ABOUT = """\
So many streams at 20 tokens/s each for {seconds:g} s, begun spread over a second. Each token is the time at which it
was said; the reader, on the same machine and clock, subtracts. Readers give up {late:.0f} s after the last token: what
had not come by then is missing from *heard*, and where tokens are missing, p50 and p99 are of those that came."""
_CPU = """\
CPU microseconds a token that was heard, in the median round, the streams' beginnings and ends included. *Log* is
nats-server, valkey-server, the Node server or Temporal's server. *Worker* is what writes: Weft's router (which reads a
provider's stream over HTTP), Temporal's worker, or a writer that makes up its tokens itself. *Gateway* and *provider*
are Weft's gateway and the mock; *rest* is the rest of a mesh (PostgreSQL, Valkey, cache and the others, which record
the job). *Reader* is the process that reads all streams."""


@dataclass(frozen=True)
class Delivery:
    """One load, once."""

    offered: int
    delays_ms: Sequence[float]
    cpu_s: Mapping[str, float]
    wrong: int

    @property
    def heard(self) -> int:
        return len(self.delays_ms)

    def cpu_us(self, column: str) -> float:
        """Returns the CPU microseconds a token of a column's processes; NaN where nothing came."""
        return 1e6 * self.cpu_s.get(column, 0.0) / self.heard if self.heard else float("nan")

    @property
    def whole_us(self) -> float:
        """Everything but the provider, which only one of the systems has apart."""
        return sum(self.cpu_us(column) for column in (*_COLUMNS, _REST) if column != "provider")


@dataclass
class Deliveries:
    """The rounds of each load, by system."""

    seconds: float
    rounds: dict[tuple[int, str], list[Delivery]] = field(default_factory=dict)

    def add(self, streams: int, system: str, delivery: Delivery) -> None:
        self.rounds.setdefault((streams, system), []).append(delivery)

    def lines(self, reference: str) -> list[str]:
        """Returns this part of the report; ratios are against the system `reference`."""
        head = ("streams", "", "heard, %", "p50, ms", "p99, ms", f"p50, x {reference}", "errors")
        in_order = sorted(self.rounds.items(), key=lambda item: item[0][0])
        speeds = [self._speed(key, rounds, reference) for key, rounds in in_order]
        costs = [_cost(key, rounds) for key, rounds in in_order]
        cost_head = ("streams", "", *_COLUMNS, _REST, "all but the provider")
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
        share = Samples.of(100 * each.heard / each.offered for each in rounds)
        p50, p99 = (Samples.of(quantile(each.delays_ms, q) for each in rounds) for q in (0.5, 0.99))
        beside = self.rounds.get((streams, reference), [])
        ratio = _ratio(rounds, beside)
        wrong = sum(each.wrong for each in rounds)
        return (str(streams), system, f"{share.median:.1f}", f"{p50:.1f}", f"{p99:.1f}", ratio, str(wrong))


async def deliver(running: Running, prefix: str, streams: int, seconds: float) -> Delivery:
    """Measures one load."""
    given = reading.plan(prefix, streams, seconds, reading.SPREAD_S + seconds + _LATE_S)
    meter = Meter(running.processes())
    await reading.prepare(running, given)
    meter.restart()
    await reading.begin(running, given)
    await reading.ended(running)
    cpu_s = meter.cpu_seconds()
    streams_heard = await reading.heard(running)
    await reading.acknowledged(running)
    pairs = (pair for each in streams_heard for pair in zip(each.said_us, each.at_us, strict=True))
    delays_ms = [(at - said) / 1000 for said, at in pairs]
    wrong = sum(each.wrong != "" for each in streams_heard)
    return Delivery(given.offered, delays_ms, by_column(cpu_s), wrong)


def by_column(cpu_s: Mapping[str, float]) -> dict[str, float]:
    """Adds up what processes without a column of their own took; the measurement itself does not count."""
    own = {column: cpu_s[column] for column in _COLUMNS if column in cpu_s}
    rest = [seconds for name, seconds in cpu_s.items() if name not in (*_COLUMNS, "client")]
    return own | ({_REST: sum(rest)} if rest else {})


def _ratio(rounds: Sequence[Delivery], beside: Sequence[Delivery]) -> str:
    """Returns how many times longer the median token took, round by round against the other system's."""
    pairs = zip(rounds, beside, strict=False)
    ratios = [quantile(a.delays_ms, 0.5) / quantile(b.delays_ms, 0.5) for a, b in pairs if a.heard and b.heard]
    return f"{Samples.of(ratios):.2f}" if ratios else ""


def _cost(key: tuple[int, str], rounds: list[Delivery]) -> tuple[str, ...]:
    streams, system = key
    typical = sorted(rounds, key=lambda each: each.whole_us)[len(rounds) // 2]
    cells = (f"{typical.cpu_us(name):.0f}" if name in typical.cpu_s else "" for name in (*_COLUMNS, _REST))
    return (str(streams), system, *cells, f"{typical.whole_us:.0f}")
