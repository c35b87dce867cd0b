"""Catch-up: how fast a late reader receives what was produced before it joined."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from bench.durable_streams import workload
from bench.durable_streams.clients.protocol import now_us
from bench.durable_streams.systems.system import RATE, Running
from bench.report.markdown import paragraph, table
from bench.report.samples import Samples

_LIMIT_S = 60.0
_READERS = 3

_ABOUT = """\
A reader joins a stream of {tokens:,} tokens and reads it from the beginning. The time is from its call to its last
token, over an open connection. Each token is its own record, as if it had arrived slowly. Temporal's client gathers
tokens into signals, because a workflow accepts at most 10,000 signals."""


@dataclass(frozen=True)
class CatchUp:
    """How one reader read a backlog."""

    records: int
    tokens: int
    seconds: float


@dataclass
class CatchUps:
    """All readings, by system."""

    tokens: int
    found: dict[str, list[CatchUp]] = field(default_factory=dict)

    def add(self, system: str, readings: Sequence[CatchUp]) -> None:
        self.found.setdefault(system, []).extend(readings)

    def lines(self) -> list[str]:
        """Returns this section of the report."""
        rows = [_row(system, readings) for system, readings in self.found.items()]
        head = ("", "records", "tokens read", "ms", "tokens/s")
        return ["## Catch-up", "", *paragraph(_ABOUT.format(tokens=self.tokens)), *table(head, rows)]


async def catch_up(running: Running, stream: str, tokens: int) -> list[CatchUp]:
    """Fills a stream and has several readers read it, one after another."""
    backlog = await running.fill(stream, tokens)
    return [await _read(running, backlog.stream, backlog.records, tokens, backlog.asked) for _ in range(_READERS)]


async def _read(running: Running, stream: str, records: int, tokens: int, asked: Mapping[str, object]) -> CatchUp:
    pace = {"rate": RATE, "tokens": tokens, "spread_s": 0.0, "limit_s": _LIMIT_S}
    began_us = now_us()
    await running.reader.tell("read", streams=[stream], **pace, **asked)
    await running.reader.answer()
    await workload.ended(running)
    (received,) = await workload.received(running)
    last_us = received.received_us[-1] if received.received_us else began_us
    return CatchUp(records, received.kept, (last_us - began_us) / 1e6)


def _row(system: str, readings: Sequence[CatchUp]) -> tuple[str, ...]:
    seconds = Samples.of(each.seconds for each in readings)
    least = min(each.tokens for each in readings)
    rate = Samples.of(each.tokens / each.seconds if each.seconds else 0.0 for each in readings)
    return (system, f"{readings[0].records:,}", f"{least:,}", f"{1000 * seconds.median:.0f}", f"{rate:,.0f}")
