"""Many streams that are written and read at the same time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench.durable_streams.clients.protocol import Received
from bench.durable_streams.systems.system import RATE, Running

SPREAD_S = 1.0
"""The time within which all streams start."""


@dataclass(frozen=True)
class Plan:
    """The streams of one measurement."""

    streams: Sequence[str]
    tokens: int
    limit_s: float
    """When readers and writers give up, counted from the start."""

    @property
    def offered(self) -> int:
        return len(self.streams) * self.tokens


def plan(prefix: str, streams: int, seconds: float, limit_s: float) -> Plan:
    """Returns a plan for streams of this length; the prefix makes their names unique."""
    return Plan([f"{prefix}-{n}" for n in range(streams)], tokens_in(seconds), limit_s)


def tokens_in(seconds: float) -> int:
    """Returns the number of tokens that a stream produces in this time."""
    return round(RATE * seconds)


async def prepare(running: Running, given: Plan) -> None:
    """Creates the streams if they need that, and starts the readers."""
    if running.writer:
        await running.writer.ask("prepare", streams=given.streams)
    await running.reader.tell("read", streams=given.streams, **_pace(given))
    await running.reader.answer()


async def begin(running: Running, given: Plan) -> None:
    """Starts the writer, if there is one."""
    if running.writer:
        await running.writer.tell("write", streams=given.streams, **_pace(given))


async def ended(running: Running) -> None:
    """Waits until every reader has its answer or has given up."""
    await running.reader.answer()


async def received(running: Running) -> list[Received]:
    """Returns what each reader received, in the order of the streams."""
    return [Received(**stream) for stream in (await running.reader.answer())["received"]]


async def acknowledged(running: Running) -> Mapping[str, Sequence[int]]:
    """Returns the tokens whose write the server acknowledged, by stream; empty if there is no writer to ask."""
    if running.writer is None:
        return {}
    acked: Mapping[str, Sequence[int]] = (await running.writer.answer())["acked"]
    return acked


def _pace(given: Plan) -> dict[str, float]:
    return {"rate": RATE, "tokens": given.tokens, "spread_s": SPREAD_S, "limit_s": given.limit_s}
