"""Recovery: how long a stream is interrupted when its worker is killed."""

import asyncio
import math
import time
from dataclasses import dataclass, field
from itertools import cycle, islice, pairwise

import grpc.aio
from bench.harness.client import Events, GatewayClient, connected
from bench.harness.environment import Environment, EnvironmentSpec, environment
from bench.report.document import Aim, Section
from bench.report.markdown import paragraph, table
from bench.report.samples import Samples, quantile

from weft.job.v1 import job_pb2
from weft_client.transcript import Transcript
from weft_kit.joblog import LogConfig

_WAIT_S = LogConfig().ack_wait_s
_BEGIN_OVER_S = 1.5
_MOST_S = 3


@dataclass(frozen=True)
class Load:
    """A number of streams at one pace. All loads have the same tokens per second in all."""

    streams: int
    tokens_per_second: float
    tokens: int
    kills: int

    @property
    def model(self) -> str:
        return f"steady-{self.streams}"

    @property
    def script(self) -> str:
        return f"tokens={self.tokens}&tokens_per_second={self.tokens_per_second:g}"


_LOADS = (
    Load(64, 20, tokens=120, kills=6),
    Load(500, 2.5, tokens=40, kills=4),
    Load(1_000, 1.25, tokens=25, kills=4),
)
_SPEC = EnvironmentSpec({load.model: load.script for load in _LOADS}, routers=2)

_SHOWN = " or ".join(f"{load.streams} streams of {load.tokens_per_second:g} tokens/s" for load in _LOADS)
ABOUT = f"""\
Two routers share {_SHOWN}, started spread over {_BEGIN_OVER_S:.1f} s. Once every stream has a token, one router is
killed (SIGKILL), each in turn, and started again after the streams have ended. Times are from just before the kill to
what the reader of one of its jobs receives: the next attempt's `started`, then that attempt's first token. The other
router misses its peer for 0.6 s, then passes on its jobs; without it, the log would do so after {_WAIT_S:.1f} s
without a sign of life."""


@dataclass
class Watched:
    """A stream as its reader sees it; times are of `perf_counter`."""

    under_way: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once it has a token, or has failed before that."""
    heard: list[tuple[str, float]] = field(default_factory=list)
    """Kind and time of every event."""
    wrong: str = ""

    async def follow(self, client: GatewayClient, model: str, begin_s: float) -> None:
        await asyncio.sleep(begin_s)
        try:
            await self._read(client.generate(model))
        except grpc.aio.AioRpcError as error:
            self.wrong = f"{error.code().name}: {error.details()}"
        finally:
            self.under_way.set()

    async def _read(self, events: Events) -> None:
        transcript = Transcript()
        changed = None
        async for event in events:
            kind = event.WhichOneof("event") or ""
            self.heard.append((kind, time.perf_counter()))
            changed = transcript.apply(event)
            if kind == "delta":
                self.under_way.set()
        # `done` has the whole text: if that changed anything, the deltas said something else.
        if transcript.done is None or changed is not None:
            self.wrong = "no done" if transcript.done is None else "another text than its record"
        elif transcript.done.state != job_pb2.JOB_STATE_SUCCEEDED:
            self.wrong = transcript.done.error.message

    def restarted_s(self, since: float) -> tuple[float, float] | None:
        """Returns the seconds to the next `started`, and to the first token after it; None if its worker lived."""
        started = next((at for kind, at in self.heard if kind == "started" and at > since), None)
        if started is None:
            return None
        token = next((at for kind, at in self.heard if kind == "delta" and at > started), math.inf)
        return started - since, token - since

    def longest_silence_s(self, since: float) -> float:
        times = [since, *(at for _, at in self.heard if at > since)]
        return max((later - earlier for earlier, later in pairwise(times)), default=0.0)


@dataclass(frozen=True)
class Kill:
    """What the readers of all streams saw after a kill, in seconds."""

    to_started: list[float]
    to_token: list[float]
    others_silence: list[float]
    wrong: list[str]

    @classmethod
    def of(cls, streams: list[Watched], at: float) -> "Kill":
        moved = [times for stream in streams if (times := stream.restarted_s(at))]
        stayed = [stream.longest_silence_s(at) for stream in streams if not stream.restarted_s(at)]
        wrong = [stream.wrong for stream in streams if stream.wrong]
        return cls([started for started, _ in moved], [token for _, token in moved], stayed, wrong)


async def measure(*, quick: bool) -> Section:
    kills: dict[Load, list[Kill]] = {}
    async with environment(_SPEC) as env, connected(env.endpoint, env.api_key) as client:
        for load in _LOADS:
            victims = islice(cycle(("router-2", "router")), 1 if quick else load.kills)
            kills[load] = [await _kill(env, client, load, victim) for victim in victims]
    return Section(["## Recovery from a killed worker", "", *paragraph(ABOUT), *_lines(kills)], [_aim(kills)])


async def _kill(env: Environment, client: GatewayClient, load: Load, name: str) -> Kill:
    streams = [Watched() for _ in range(load.streams)]
    async with asyncio.TaskGroup() as group:
        for n, stream in enumerate(streams):
            group.create_task(stream.follow(client, load.model, n * _BEGIN_OVER_S / load.streams))
        for stream in streams:
            await stream.under_way.wait()
        at = time.perf_counter()
        await env.part(name).kill()
    await env.part(name).start()
    return Kill.of(streams, at)


def _aim(kills: dict[Load, list[Kill]]) -> Aim:
    slowest = {load.streams: max(max(kill.to_token) for kill in ones) for load, ones in kills.items()}
    *first, last = (f"{streams:,}" for streams in slowest)
    wanted = (
        f"a worker killed with {', '.join(first)} and {last} jobs in flight: each has a token again in {_MOST_S:g} s"
    )
    reached = ", ".join(f"{seconds:.1f}" for seconds in slowest.values())
    return Aim(wanted, f"{reached} s for the slowest", max(slowest.values()) <= _MOST_S)


def _lines(kills: dict[Load, list[Kill]]) -> list[str]:
    rows = [row for load, ones in kills.items() for row in _rows(load, ones)]
    notes = [line for load, ones in kills.items() for line in paragraph(_note(load, ones))]
    return [*table(("jobs in flight", "seconds after the kill", "p50", "p90", "max"), rows, words=2), *notes]


def _rows(load: Load, kills: list[Kill]) -> list[tuple[str, ...]]:
    started = [value for kill in kills for value in kill.to_started]
    token = [value for kill in kills for value in kill.to_token]
    jobs = str(load.streams)
    return [(jobs, "`started` again", *_figures(started)), (jobs, "a token again", *_figures(token))]


def _note(load: Load, kills: list[Kill]) -> str:
    silence = [value for kill in kills for value in kill.others_silence]
    wrong = [line for kill in kills for line in kill.wrong]
    moved = Samples.of(len(kill.to_token) for kill in kills)
    worst = Samples.of(max(kill.to_token) for kill in kills)
    return (
        f"With {load.streams}: {len(kills)} kills, {moved:.0f} jobs moved, the slowest of each after {worst:.1f} s. "
        f"{len(wrong)} streams failed or ended with another text than their record. Those whose worker lived were "
        f"silent for {1000 * max(silence):.0f} ms at most."
    )


def _figures(seconds: list[float]) -> tuple[str, ...]:
    return (f"{quantile(seconds, 0.5):.2f}", f"{quantile(seconds, 0.9):.2f}", f"{max(seconds):.2f}")
