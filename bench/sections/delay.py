"""Delay of a token, from the provider's write to the reader."""

import asyncio
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass

import aiohttp
from bench.harness.awake import cores_awake
from bench.harness.client import GatewayClient
from bench.harness.environment import Environment, EnvironmentSpec, environment
from bench.harness.load import direct_chunks
from bench.harness.processes import Meter
from bench.report.document import Aim, Section
from bench.report.markdown import paragraph, table
from bench.report.samples import Samples, quantile

from weft_kit.joblog import LogConfig

_STAMP = re.compile(rb'"content":"(\d+)')

_CONNECTIONS = 8
_P50_MS, _P99_MS = 1, 3
_ON_THE_WAY = ("mock", "router", "nats", "gateway", "client")

ABOUT = f"""\
Each token of the mock is the time at which it was sent; the reader, on the same machine and clock, subtracts. The
streams run at a steady rate, start spread over a second, and use {_CONNECTIONS} connections. Weft takes turns with
the same streams read directly from the mock, whose delay is only that of a busy event loop and client. A token waits
for the end of the flush interval of {1000 * LogConfig().flush_interval_s:.0f} ms if the write before it began within
it: at 20 tokens/s none has to, at 100 most do, half an interval on average. A token passes five processes, and each
that sleeps has to be woken up, its core too; Weft therefore takes a second turn with the cores kept awake by processes
that anything else goes before."""
_COST = """\
CPU microseconds a token, by process. Those of mock, router, nats-server, gateway and client follow each other on a
token's way, so their sum is about the least that a token can take, before it waits for a core that another one has."""


@dataclass(frozen=True)
class Rate:
    """A number of streams, each with a number of tokens per second."""

    streams: int
    per_second: int

    def script(self, seconds: float) -> str:
        return f"stamp=1&tokens_per_second={self.per_second}&tokens={round(self.per_second * seconds)}"

    @property
    def alias(self) -> str:
        return f"stamped-{self.per_second}"


_RATES = (Rate(64, 20), Rate(16, 100))


@dataclass(frozen=True)
class Delays:
    """The delays of all tokens of a round, in milliseconds."""

    ms: list[float]

    def row(self) -> tuple[float, float, float]:
        return quantile(self.ms, 0.5), quantile(self.ms, 0.99), max(self.ms)


async def measure(*, quick: bool) -> Section:
    seconds, rounds = (1.5, 1) if quick else (6, 3)
    scripts = {rate.alias: rate.script(seconds) for rate in _RATES}
    rows: list[tuple[str, ...]] = []
    delays: dict[Rate, list[Delays]] = {}
    costs: list[tuple[str, ...]] = []
    async with environment(EnvironmentSpec(scripts)) as env:
        await _through(env, _RATES[0])  # everything warm
        meter = Meter(env.pids)
        for rate in _RATES:
            through, awake, without = [], [], []
            for _ in range(rounds):
                meter.restart()
                through.append(await _through(env, rate))
                cpu_s = meter.cpu_seconds()
                async with cores_awake():
                    awake.append(await _through(env, rate))
                without.append(await _without(env, rate, seconds))
            rows += [
                _row(rate, "Weft", through),
                _row(rate, "Weft, cores kept awake", awake),
                _row(rate, "the mock itself", without),
            ]
            costs.append(_cost(rate, cpu_s, len(through[-1].ms)))
            delays[rate] = through
    head = ("streams x tokens/s", "", "tokens", "p50, ms", "p99, ms", "worst, ms")
    lines = [
        *("## Delay of a token", ""),
        *paragraph(ABOUT),
        *table(head, rows, words=2),
        *paragraph(_COST),
        *table(("streams x tokens/s", *_ON_THE_WAY, "sum"), costs),
    ]
    return Section(lines, [_aim(_RATES[0], delays)])


async def _through(env: Environment, rate: Rate) -> Delays:
    found: list[float] = []
    async with env.clients(_CONNECTIONS) as clients, asyncio.TaskGroup() as group:
        for n in range(rate.streams):
            group.create_task(_listen(clients[n % len(clients)], rate.alias, n / rate.streams, found))
    return Delays(found)


async def _listen(client: GatewayClient, model: str, begin_s: float, found: list[float]) -> None:
    await asyncio.sleep(begin_s)
    async for event in client.generate(model):
        now = time.time_ns()
        found.extend((now - int(stamp)) / 1e6 for stamp in event.delta.text.split())


async def _without(env: Environment, rate: Rate, seconds: float) -> Delays:
    found: list[float] = []
    model = f"mock?{rate.script(seconds)}"

    async def listen(session: aiohttp.ClientSession, begin_s: float) -> None:
        await asyncio.sleep(begin_s)
        async for chunk in direct_chunks(session, env.mock_url, model):
            now = time.time_ns()
            found.extend((now - int(stamp)) / 1e6 for stamp in _STAMP.findall(chunk))

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session, asyncio.TaskGroup() as group:
        for n in range(rate.streams):
            group.create_task(listen(session, n / rate.streams))
    return Delays(found)


def _cost(rate: Rate, cpu_s: Mapping[str, float], tokens: int) -> tuple[str, ...]:
    spent = [1e6 * cpu_s[name] / tokens for name in _ON_THE_WAY]
    return (_name(rate), *(f"{each:.0f}" for each in (*spent, sum(spent))))


def _name(rate: Rate) -> str:
    return f"{rate.streams} x {rate.per_second}"


def _aim(rate: Rate, delays: dict[Rate, list[Delays]]) -> Aim:
    p50, p99, _ = (Samples.of(values) for values in zip(*(each.row() for each in delays[rate]), strict=True))
    wanted = f"a token at {rate.per_second}/s a stream, provider to reader: at most {_P50_MS:g} ms, {_P99_MS:g} at p99"
    return Aim(wanted, f"{p50:.1f}, {p99:.1f} at p99", p50.median <= _P50_MS and p99.median <= _P99_MS)


def _row(rate: Rate, what: str, rounds: list[Delays]) -> tuple[str, ...]:
    figures = (Samples.of(values) for values in zip(*(each.row() for each in rounds), strict=True))
    tokens = sum(len(each.ms) for each in rounds)
    return (_name(rate), what, f"{tokens:,}", *(f"{figure:.1f}" for figure in figures))
