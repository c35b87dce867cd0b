"""Catch-up: how fast a reader that joins late has what was said before."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from bench.durable_streams import reading
from bench.durable_streams.sides.talk import now_us
from bench.durable_streams.systems.system import RATE, Running
from bench.report.markdown import paragraph, table
from bench.report.samples import Samples

_LIMIT_S = 60.0
_READERS = 3

_ABOUT = """\
A reader joins a stream with {tokens:,} tokens in it and reads from its beginning; from its call to its last token, over
a connection that is open. Each token is a record of its own, as tokens that come slowly leave them. For Temporal, whose
workflows take 10,000 signals at most, its client gathered them."""


@dataclass(frozen=True)
class CatchUp:
    """One reader's reading of a backlog."""

    records: int
    tokens: int
    seconds: float


@dataclass
class CatchUps:
    """The readings of every system."""

    tokens: int
    found: dict[str, list[CatchUp]] = field(default_factory=dict)

    def add(self, system: str, readings: Sequence[CatchUp]) -> None:
        self.found.setdefault(system, []).extend(readings)

    def lines(self) -> list[str]:
        """Returns this part of the report."""
        rows = [_row(system, readings) for system, readings in self.found.items()]
        head = ("", "records", "tokens read", "ms", "tokens/s")
        return ["## Catch-up", "", *paragraph(_ABOUT.format(tokens=self.tokens)), *table(head, rows)]


async def catch_up(running: Running, stream: str, tokens: int) -> list[CatchUp]:
    """Fills a stream, then has several readers read it, one after another."""
    backlog = await running.fill(stream, tokens)
    return [await _read(running, backlog.stream, backlog.records, tokens, backlog.asked) for _ in range(_READERS)]


async def _read(running: Running, stream: str, records: int, tokens: int, asked: Mapping[str, object]) -> CatchUp:
    pace = {"rate": RATE, "tokens": tokens, "spread_s": 0.0, "limit_s": _LIMIT_S}
    began_us = now_us()
    await running.reader.tell("read", streams=[stream], **pace, **asked)
    await running.reader.answer()
    await reading.ended(running)
    (heard,) = await reading.heard(running)
    last_us = heard.at_us[-1] if heard.at_us else began_us
    return CatchUp(records, heard.kept, (last_us - began_us) / 1e6)


def _row(system: str, readings: Sequence[CatchUp]) -> tuple[str, ...]:
    seconds = Samples.of(each.seconds for each in readings)
    least = min(each.tokens for each in readings)
    rate = Samples.of(each.tokens / each.seconds if each.seconds else 0.0 for each in readings)
    return (system, f"{readings[0].records:,}", f"{least:,}", f"{1000 * seconds.median:.0f}", f"{rate:,.0f}")
