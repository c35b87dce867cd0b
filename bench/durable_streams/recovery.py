"""Recovery: what readers see when the process that writes is killed, and when the server is."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from bench.durable_streams import reading
from bench.durable_streams.sides.talk import Heard, now_us
from bench.durable_streams.systems.system import Running, System
from bench.report.markdown import paragraph, table
from bench.report.samples import quantile

STILL_S = 0.5
"""A stream that is silent for longer than this stood still; at 20 tokens/s one comes every 50 ms."""
_AWAY_S = 1.0
_LIMIT_S = 45.0

_ABOUT = """\
{streams} streams of {seconds:g} s. After {kill_after:g} s one process is killed (SIGKILL). *Worker*: the process that
writes; where the system can hand its streams to another there are two, and one is killed. *Server*: nats-server,
valkey-server, the Node server, Temporal's server; it is started again on its folder {away:g} s later. Counted is the
time from the kill to the first token said after it that a reader has, for streams that stood still for more than
{still:g} s. *Whole*: streams whose reader ended with all tokens of one answer. *Lost*: tokens that a reader had, or
whose writing was confirmed, and that a reading from the beginning does not find. *Twice*: tokens that it finds again.
*Withdrawn*: tokens that readers had and then were told to forget, as another attempt began the answer anew."""
_APPLICATION = """\
Where streams never went on after their writer was killed, nothing in the system takes them over: the application must
notice the death and write on. Readers were left waiting for {unattended:g} s. When a server is away, Weft's router
and Temporal's SDK try again by themselves. The other two leave it to the application, which here is written so:
Valkey's writer repeats an XADD until it is answered; the Node client's producer refuses everything behind a batch
that failed, so its writer then looks up what is stored, begins another epoch, and appends the rest."""


@dataclass(frozen=True)
class Kill:
    """What readers saw of one kill."""

    streams: int
    stood_s: Sequence[float]
    """Of the streams that stood still and went on, how long it took."""
    silent: int
    """Streams that never went on."""
    whole: int
    withdrawn: int
    lost: int = 0
    twice: int = 0

    @classmethod
    def of(cls, streams: Sequence[Heard], tokens: int, at_us: int) -> "Kill":
        gone = [stream for stream in streams if not (stream.kept >= tokens and stream.at_us[-1] <= at_us)]
        waits = [next_token_s(stream, at_us) for stream in gone]
        return cls(
            streams=len(streams),
            stood_s=[wait for wait in waits if wait is not None and wait > STILL_S],
            silent=sum(wait is None for wait in waits),
            whole=sum(stream.kept == tokens and not stream.wrong for stream in streams),
            withdrawn=sum(len(stream.said_us) - stream.kept for stream in streams),
        )


def next_token_s(stream: Heard, at_us: int) -> float | None:
    """Returns the seconds from the kill to the first token that was said after it; None when none came."""
    pairs = zip(stream.said_us, stream.at_us, strict=True)
    came = next((heard for said, heard in pairs if said > at_us), None)
    return None if came is None else (came - at_us) / 1e6


def count_twice(found: Mapping[str, Sequence[int]]) -> int:
    """Returns how many tokens are in the log once more than they were said."""
    return sum(len(tokens) - len(set(tokens)) for tokens in found.values())


def count_lost(known: Mapping[str, Iterable[int]], found: Mapping[str, Iterable[int]]) -> int:
    """Returns how many tokens that were known to be written are not found any more."""
    return sum(len(set(tokens) - set(found.get(stream, ()))) for stream, tokens in known.items())


@dataclass
class Kills:
    """The kills of each system, by what was killed."""

    streams: int
    seconds: float
    kill_after_s: float
    unattended_s: float
    """How long readers wait for tokens that nobody will write."""
    found: dict[tuple[str, str], list[Kill]] = field(default_factory=dict)

    async def worker(self, system: System, running: Running, prefix: str) -> None:
        """Kills the process that writes."""
        kill = await self._kill(running, prefix, running.kill_worker, goes_on=system.takes_over)
        self.found.setdefault(("worker", system.name), []).append(kill)

    async def server(self, system: System, running: Running, prefix: str) -> None:
        """Kills the server, and starts it again."""

        async def restart() -> None:
            await running.kill_server()
            await asyncio.sleep(_AWAY_S)
            await running.start_server()

        kill = await self._kill(running, prefix, restart, goes_on=True)
        self.found.setdefault(("server", system.name), []).append(kill)

    def lines(self) -> list[str]:
        """Returns this part of the report."""
        about = _ABOUT.format(
            streams=self.streams, seconds=self.seconds, kill_after=self.kill_after_s, away=_AWAY_S, still=STILL_S
        )
        head = ("killed", "", "stood still", "p50, s", "max, s", "never went on", "whole", "lost", "twice", "withdrawn")
        rows = [_row(key, kills) for key, kills in sorted(self.found.items(), key=lambda item: item[0][0] != "worker")]
        return [
            "## Recovery",
            "",
            *paragraph(about),
            *table(head, rows, words=2),
            *paragraph(_APPLICATION.format(unattended=self.unattended_s)),
        ]

    async def _kill(
        self, running: Running, prefix: str, breaks: Callable[[], Awaitable[None]], *, goes_on: bool
    ) -> Kill:
        limit_s = _LIMIT_S if goes_on else self.kill_after_s + self.unattended_s
        given = reading.plan(prefix, self.streams, self.seconds, limit_s)
        await reading.prepare(running, given)
        await reading.begin(running, given)
        await asyncio.sleep(self.kill_after_s)
        at_us = now_us()
        await breaks()
        await reading.ended(running)
        heard = await reading.heard(running)
        acked = await reading.acknowledged(running) if goes_on else {}
        found = (await running.reader.ask("collect", streams=given.streams))["said_us"]
        known = {name: [*each.said_us, *acked.get(name, ())] for name, each in zip(given.streams, heard, strict=True)}
        kill = Kill.of(heard, given.tokens, at_us)
        return replace(kill, lost=count_lost(known, found), twice=count_twice(found))


def _row(key: tuple[str, str], kills: Sequence[Kill]) -> tuple[str, ...]:
    what, system = key
    stood = [wait for kill in kills for wait in kill.stood_s]
    streams = sum(kill.streams for kill in kills)
    times = (f"{quantile(stood, 0.5):.2f}", f"{max(stood):.2f}") if stood else ("", "")
    counts = (sum(getattr(kill, name) for kill in kills) for name in ("silent", "whole", "lost", "twice", "withdrawn"))
    return (what, system, f"{len(stood)} of {streams}", *times, *map(str, counts))
