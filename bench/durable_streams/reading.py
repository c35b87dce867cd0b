"""Many streams written and read at once: begun, perhaps broken in the middle, and heard to their end."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench.durable_streams.sides.talk import Heard
from bench.durable_streams.systems.system import RATE, Running

SPREAD_S = 1.0
"""Streams begin spread over this time."""


@dataclass(frozen=True)
class Plan:
    """So many streams of so many tokens each."""

    streams: Sequence[str]
    tokens: int
    limit_s: float
    """When readers and writers give up, counted from the beginning."""

    @property
    def offered(self) -> int:
        return len(self.streams) * self.tokens


def plan(prefix: str, streams: int, seconds: float, limit_s: float) -> Plan:
    """Returns a plan for streams that last so long, with names that nothing else has."""
    return Plan([f"{prefix}-{n}" for n in range(streams)], tokens_in(seconds), limit_s)


def tokens_in(seconds: float) -> int:
    """Returns how many tokens a stream says in so many seconds."""
    return round(RATE * seconds)


async def prepare(running: Running, given: Plan) -> None:
    """Has everything ready that is not counted: streams created where they must be, and readers waiting."""
    if running.writer:
        await running.writer.ask("prepare", streams=given.streams)
    await running.reader.tell("read", streams=given.streams, **_pace(given))
    await running.reader.answer()


async def begin(running: Running, given: Plan) -> None:
    """Begins to write, unless the system's workers do that at their reader's word."""
    if running.writer:
        await running.writer.tell("write", streams=given.streams, **_pace(given))


async def ended(running: Running) -> None:
    """Waits until every reader has its answer, or has given up."""
    await running.reader.answer()


async def heard(running: Running) -> list[Heard]:
    """Returns what the readers heard, in the order of the streams."""
    return [Heard(**stream) for stream in (await running.reader.answer())["heard"]]


async def acknowledged(running: Running) -> Mapping[str, Sequence[int]]:
    """Returns the tokens whose writing the server confirmed, by stream; none where no writer can tell."""
    if running.writer is None:
        return {}
    acked: Mapping[str, Sequence[int]] = (await running.writer.answer())["acked"]
    return acked


def _pace(given: Plan) -> dict[str, float]:
    return {"rate": RATE, "tokens": given.tokens, "spread_s": SPREAD_S, "limit_s": given.limit_s}
