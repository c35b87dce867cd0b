"""Tokens per second through the log: long answers on 1, 64 and 512 streams at once."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace

import grpc.aio
from bench.harness.client import GatewayClient
from bench.harness.environment import Environment, EnvironmentSpec, environment
from bench.harness.processes import Meter
from bench.report.document import Section
from bench.report.markdown import paragraph, table
from bench.report.samples import Samples

from weft.job.v1 import job_pb2

_RATE = 40
_SPEC = EnvironmentSpec({"burst": "tokens=1000", "paced": f"tokens=1000&tokens_per_second={_RATE}"})
_CONNECTIONS = 8

ABOUT = f"""\
A number of answers of 1,000 tokens at once, over {_CONNECTIONS} connections; what the client reads counts. *Burst*: the
mock writes an answer at once, so the log has many tokens in a message; the streams are started together, again and
again, and timed until all have ended. *Paced*: each stream has {_RATE} tokens/s, like a model's, and is followed by
another; tokens are counted between two readings, after a ramp. As long as the mesh keeps up, each token is a message;
when it does not, tokens gather, and finally the mock has to wait. CPU is in cores; mesh, mock and client share the
machine's."""


@dataclass
class Tally:
    """What the client has read."""

    tokens: int = 0
    events: int = 0
    errors: int = 0


@dataclass(frozen=True)
class Window:
    """What was read between two readings."""

    seconds: float
    tally: Tally
    cpu_s: Mapping[str, float]

    @property
    def tokens_per_second(self) -> float:
        return self.tally.tokens / self.seconds

    @property
    def events_per_second(self) -> float:
        return self.tally.events / self.seconds

    def cores(self, name: str) -> float:
        return self.cpu_s[name] / self.seconds


@dataclass(frozen=True)
class Load:
    """A number of streams of a model. `offered` is the tokens per second of its provider; "" without a limit."""

    model: str
    streams: int

    @property
    def offered(self) -> str:
        return f"{self.streams * _RATE:,}" if self.model == "paced" else ""


async def measure(*, quick: bool) -> Section:
    seconds, rounds = (1, 1) if quick else (5, 3)
    loads = [Load(model, streams) for model in ("burst", "paced") for streams in (1, 64, 512)]
    found: dict[Load, list[Window]] = {load: [] for load in loads}
    async with environment(_SPEC) as env, env.clients(_CONNECTIONS) as clients:
        await _burst(env, clients, loads[1], 1)  # everything warm
        # All of them in turn, round by round, so that a slow minute of the machine affects all alike.
        for _ in range(rounds):
            for load in loads:
                look = _burst if load.model == "burst" else _paced
                found[load].append(await look(env, clients, load, seconds))
                await env.wait_until_idle()
    return Section(["## Tokens a second through the log", "", *paragraph(ABOUT), *_lines(found)])


async def _burst(env: Environment, clients: Sequence[GatewayClient], load: Load, seconds: float) -> Window:
    tally, meter, began = Tally(), Meter(env.pids), time.perf_counter()
    while time.perf_counter() < began + seconds:
        await asyncio.gather(*(_read(clients[n % len(clients)], load.model, tally) for n in range(load.streams)))
    return Window(time.perf_counter() - began, tally, meter.cpu_seconds())


async def _paced(env: Environment, clients: Sequence[GatewayClient], load: Load, seconds: float) -> Window:
    tally, ramp_s = Tally(), 1.0 + load.streams / 256
    async with asyncio.TaskGroup() as group:
        readers = [
            group.create_task(_keep_reading(clients[n % len(clients)], load.model, n * ramp_s / load.streams, tally))
            for n in range(load.streams)
        ]
        await asyncio.sleep(ramp_s + 1)
        before, meter, began = replace(tally), Meter(env.pids), time.perf_counter()
        await asyncio.sleep(seconds)
        read = Tally(tally.tokens - before.tokens, tally.events - before.events, tally.errors - before.errors)
        window = Window(time.perf_counter() - began, read, meter.cpu_seconds())
        for reader in readers:
            reader.cancel()
    return window


async def _keep_reading(client: GatewayClient, model: str, begin_s: float, tally: Tally) -> None:
    await asyncio.sleep(begin_s)
    while True:
        await _read(client, model, tally)


async def _read(client: GatewayClient, model: str, tally: Tally) -> None:
    done = None
    try:
        async with aclosing(client.generate(model)) as events:
            async for event in events:
                tally.events += 1
                tally.tokens += event.delta.token_count
                done = event.done
    except grpc.aio.AioRpcError:
        await asyncio.sleep(0.1)  # no tight loop on a gateway that refuses
    if done is None or done.state != job_pb2.JOB_STATE_SUCCEEDED:
        tally.errors += 1


def _lines(found: Mapping[Load, list[Window]]) -> list[str]:
    head = ("", "streams", "offered/s", "tokens/s", "events/s", "tokens an event", "errors")
    names = ("gateway", "router", "nats", "mock", "client")
    return [
        *table(head, [_speed(load, windows) for load, windows in found.items()]),
        "CPU, in cores, and microseconds of gateway, router and nats-server together a token:",
        "",
        *table(("", "streams", *names, "µs a token"), [_cpu(load, w, names) for load, w in found.items()]),
    ]


def _speed(load: Load, windows: list[Window]) -> tuple[str, ...]:
    tokens = Samples.of(window.tokens_per_second for window in windows)
    events = Samples.of(window.events_per_second for window in windows)
    errors = sum(window.tally.errors for window in windows)
    share = f"{tokens.median / max(1.0, events.median):.1f}"
    return (load.model, str(load.streams), load.offered, f"{tokens:,.0f}", f"{events:,.0f}", share, str(errors))


def _cpu(load: Load, windows: list[Window], names: tuple[str, ...]) -> tuple[str, ...]:
    cores = [f"{Samples.of(window.cores(name) for window in windows).median:.2f}" for name in names]
    mesh = Samples.of(
        1e6 * sum(window.cpu_s[name] for name in ("gateway", "router", "nats")) / max(1, window.tally.tokens)
        for window in windows
    )
    return (load.model, str(load.streams), *cores, f"{mesh:.0f}")
