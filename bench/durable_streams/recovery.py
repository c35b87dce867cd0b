"""Recovery: what readers see when a writer or the server is killed."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from bench.durable_streams import workload
from bench.durable_streams.clients.protocol import Received, now_us
from bench.durable_streams.systems.system import Running, System
from bench.report.markdown import paragraph, table
from bench.report.samples import quantile

INTERRUPTED_S = 0.5
"""A longer silence is an interruption; at 20 tokens/s there is a token every 50 ms."""
_COUNTS = {
    "silent": "never resumed",
    "complete": "complete",
    "lost": "lost",
    "duplicated": "duplicated",
    "repeated": "repeated",
    "withdrawn": "withdrawn",
}
"""The counts of a kill and the heads of their columns."""
_AWAY_S = 1.0
_LIMIT_S = 45.0

_ABOUT = """\
{streams} streams of {seconds:g} s. After {kill_after:g} s one process is killed (SIGKILL). *Worker* is the process
that writes; if the system fails over, there are two, and one is killed. *Server* is nats-server, valkey-server, the
Node server or Temporal's server; it is restarted on its data {away:g} s later. A stream counts as interrupted if it
was silent for more than {still:g} s; the time is from the kill until the reader has the first token that was produced
after it. *Complete* are streams whose reader ended with all tokens of one answer. *Lost* are tokens that a reader
had, or whose write was acknowledged, and that are missing when the stream is read again from the beginning;
*duplicated* are tokens that are then found twice. *Repeated* are tokens that a reader received twice. *Withdrawn* are
tokens that readers had received and were then told to drop, because another attempt started the answer over."""
_APPLICATION = """\
If the streams of a killed writer never resumed, the system has no failover: the application must notice the death and
continue. Readers waited {unattended:g} s. While a server is down, Weft's router and Temporal's SDK retry by
themselves. With the other two the application must; here Valkey's writer repeats an XADD until it is answered, and
the writer of Durable Streams looks up what is stored, starts a new epoch, and appends the rest, because the Node
client's producer refuses all batches after one that failed."""


@dataclass(frozen=True)
class Kill:
    """What readers saw of one kill."""

    streams: int
    resumed_s: Sequence[float]
    """How long each interrupted stream took to resume."""
    silent: int
    """Streams that never resumed."""
    complete: int
    withdrawn: int
    repeated: int
    lost: int = 0
    duplicated: int = 0

    @classmethod
    def of(cls, streams: Sequence[Received], tokens: int, at_us: int) -> "Kill":
        gone = [stream for stream in streams if not (stream.kept >= tokens and stream.received_us[-1] <= at_us)]
        waits = [next_token_s(stream, at_us) for stream in gone]
        return cls(
            streams=len(streams),
            resumed_s=[wait for wait in waits if wait is not None and wait > INTERRUPTED_S],
            silent=sum(wait is None for wait in waits),
            complete=sum(stream.kept == tokens and not stream.wrong for stream in streams),
            withdrawn=sum(len(set(stream.produced_us)) - stream.kept for stream in streams),
            repeated=sum(len(stream.produced_us) - len(set(stream.produced_us)) for stream in streams),
        )


def next_token_s(stream: Received, at_us: int) -> float | None:
    """Returns the seconds from the kill until the first token produced after it arrived; None if none did."""
    pairs = zip(stream.produced_us, stream.received_us, strict=True)
    came = next((received for produced, received in pairs if produced > at_us), None)
    return None if came is None else (came - at_us) / 1e6


def count_duplicated(found: Mapping[str, Sequence[int]]) -> int:
    """Returns how many tokens are stored more than once."""
    return sum(len(tokens) - len(set(tokens)) for tokens in found.values())


def count_lost(known: Mapping[str, Iterable[int]], found: Mapping[str, Iterable[int]]) -> int:
    """Returns how many tokens that are known to have been stored are missing."""
    return sum(len(set(tokens) - set(found.get(stream, ()))) for stream, tokens in known.items())


@dataclass
class Kills:
    """All kills, by what was killed and by system."""

    streams: int
    seconds: float
    kill_after_s: float
    unattended_s: float
    """How long readers wait if there is no failover."""
    found: dict[tuple[str, str], list[Kill]] = field(default_factory=dict)

    async def worker(self, system: System, running: Running, prefix: str) -> None:
        """Kills a process that writes."""
        kill = await self._kill(running, prefix, running.kill_worker, resumes=system.fails_over)
        self.found.setdefault(("worker", system.name), []).append(kill)

    async def server(self, system: System, running: Running, prefix: str) -> None:
        """Kills the server and restarts it."""

        async def restart() -> None:
            await running.kill_server()
            await asyncio.sleep(_AWAY_S)
            await running.start_server()

        kill = await self._kill(running, prefix, restart, resumes=True)
        self.found.setdefault(("server", system.name), []).append(kill)

    def lines(self) -> list[str]:
        """Returns this section of the report."""
        about = _ABOUT.format(
            streams=self.streams, seconds=self.seconds, kill_after=self.kill_after_s, away=_AWAY_S, still=INTERRUPTED_S
        )
        head = ("killed", "", "interrupted", "p50, s", "max, s", *_COUNTS.values())
        rows = [_row(key, kills) for key, kills in sorted(self.found.items(), key=lambda item: item[0][0] != "worker")]
        return [
            "## Recovery",
            "",
            *paragraph(about),
            *table(head, rows, words=2),
            *paragraph(_APPLICATION.format(unattended=self.unattended_s)),
        ]

    async def _kill(
        self, running: Running, prefix: str, break_it: Callable[[], Awaitable[None]], *, resumes: bool
    ) -> Kill:
        limit_s = _LIMIT_S if resumes else self.kill_after_s + self.unattended_s
        given = workload.plan(prefix, self.streams, self.seconds, limit_s)
        await workload.prepare(running, given)
        await workload.begin(running, given)
        await asyncio.sleep(self.kill_after_s)
        at_us = now_us()
        await break_it()
        await workload.ended(running)
        received = await workload.received(running)
        acked = await workload.acknowledged(running) if resumes else {}
        found = (await running.reader.ask("collect", streams=given.streams))["produced_us"]
        known = {
            name: [*each.produced_us, *acked.get(name, ())] for name, each in zip(given.streams, received, strict=True)
        }
        kill = Kill.of(received, given.tokens, at_us)
        return replace(kill, lost=count_lost(known, found), duplicated=count_duplicated(found))


def _row(key: tuple[str, str], kills: Sequence[Kill]) -> tuple[str, ...]:
    what, system = key
    resumed = [wait for kill in kills for wait in kill.resumed_s]
    streams = sum(kill.streams for kill in kills)
    times = (f"{quantile(resumed, 0.5):.2f}", f"{max(resumed):.2f}") if resumed else ("", "")
    counts = (sum(getattr(kill, name) for kill in kills) for name in _COUNTS)
    return (what, system, f"{len(resumed)} of {streams}", *times, *map(str, counts))
