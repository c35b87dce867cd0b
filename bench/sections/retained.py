"""Retained jobs: whether 100,000 finished jobs in the log make the next one slower."""

import asyncio
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass

from bench.harness.client import GatewayClient, connected
from bench.harness.environment import Environment, EnvironmentSpec, environment
from bench.harness.finished_jobs import finish_jobs
from bench.harness.processes import Meter
from bench.report.document import Section
from bench.report.markdown import paragraph, table
from bench.report.samples import Samples, quantile
from nats.js import JetStreamContext

from weft_kit.joblog import JobLog, connect

# The recorder copies every finished job into PostgreSQL too. Larger batches let it catch up before we go on.
_SPEC = EnvironmentSpec({"brief": "tokens=1&first_token_s=0"}, settings={"gateway": {"recorder_batch": "5000"}})
_RECORDER = "recorder"
_CATCH_UP_S = 120.0

ABOUT = """\
Two meshes run side by side. Both are measured before and after {jobs:,} finished jobs are written into the log of one
of them, in the lane of the measured tenant, with the kit and without gateway or worker. A job is submitted once the one
before has ended, in turn on each mesh, so that noise, and whatever else changes over the minutes, affects both alike.
The first pair of lines shows how far two equal meshes differ on this machine; the second, what the log's contents add
to that. The aim is within 20 %."""


@dataclass(frozen=True)
class Latencies:
    """The latencies of a round on one mesh, in seconds: until SubmitJob returns, and until `done` is read."""

    submit: list[float]
    whole: list[float]


Round = tuple[Latencies, Latencies]
"""The mesh whose log stays empty, and the one whose log is filled."""


@dataclass(frozen=True)
class Log:
    """The contents of the filled log, and nats-server's memory for them."""

    jobs: int
    messages: int
    stored_mib: float
    resident_mib: tuple[float, float]
    seconds: float


async def measure(*, quick: bool) -> Section:
    jobs, rounds, calls = (10_000, 2, 25) if quick else (100_000, 5, 200)
    async with AsyncExitStack() as stack:
        meshes = [await stack.enter_async_context(environment(_SPEC)) for _ in range(2)]
        clients = [await stack.enter_async_context(connected(env.endpoint, env.api_key)) for env in meshes]
        before = await _rounds(clients, rounds, calls)
        log = await _fill(meshes[1], jobs)
        after = await _rounds(clients, rounds, calls)
    return Section(
        ["## A log full of finished jobs", "", *paragraph(ABOUT.format(jobs=jobs)), *_lines(before, after, log)]
    )


async def _rounds(clients: Sequence[GatewayClient], rounds: int, calls: int) -> list[Round]:
    await _round(clients, 50)  # everything warm
    return [await _round(clients, calls) for _ in range(rounds)]


async def _round(clients: Sequence[GatewayClient], calls: int) -> Round:
    empty, filled = Latencies([], []), Latencies([], [])
    for _ in range(calls):
        for client, latencies in zip(clients, (empty, filled), strict=True):
            began = time.perf_counter()
            job_id = await client.submit("brief")
            latencies.submit.append(time.perf_counter() - began)
            async for _event in client.read(job_id):
                pass
            latencies.whole.append(time.perf_counter() - began)
    return empty, filled


async def _fill(env: Environment, jobs: int) -> Log:
    nats = Meter({"nats": env.pids["nats"]})
    before = nats.resident_mib()["nats"]
    await env.stop_workers()
    began = time.perf_counter()
    async with connect(env.nats_url, "bench") as client:
        await finish_jobs(JobLog(client, env.log), jobs)
        seconds = time.perf_counter() - began
        jetstream = client.jetstream()
        async with asyncio.timeout(_CATCH_UP_S):
            await _recorded(jetstream, env.log.stream)
        state = (await jetstream.stream_info(env.log.stream)).state
    await env.part("router").start()
    after = nats.resident_mib()["nats"]
    return Log(jobs, state.messages, state.bytes / 2**20, (before, after), seconds)


async def _recorded(jetstream: JetStreamContext, stream: str) -> None:
    """Waits until the record has everything, so that catching up is not measured."""
    while True:
        recorder = await jetstream.consumer_info(stream, _RECORDER)
        if not recorder.num_pending and not recorder.num_ack_pending:
            return
        await asyncio.sleep(0.5)


def _lines(before: list[Round], after: list[Round], log: Log) -> list[str]:
    head = ("", "submit p50, ms", "submit p99, ms", "submit to done p50, ms")
    was, now = log.resident_mib
    return [
        *table(head, [*_rows("both logs empty", before), *_rows("one log full", after)]),
        *paragraph(
            f"The log holds {log.messages:,} messages then, {log.stored_mib:.0f} MiB in the store; making them took "
            f"{log.seconds:.0f} s. nats-server's resident memory went from {was:.0f} to {now:.0f} MiB, "
            f"{1024 * (now - was) / log.jobs:.2f} KiB a job."
        ),
    ]


def _rows(when: str, rounds: list[Round]) -> list[tuple[str, ...]]:
    empty, filled = [[_figures(each[side]) for each in rounds] for side in (0, 1)]
    ratios = [tuple(b / a for a, b in zip(one, other, strict=True)) for one, other in zip(empty, filled, strict=True)]
    return [
        (f"{when}: the first", *_cells(empty, ".2f")),
        (f"{when}: the second", *_cells(filled, ".2f")),
        ("second / first", *_cells(ratios, ".2f")),
    ]


def _figures(latencies: Latencies) -> tuple[float, ...]:
    figures = (quantile(latencies.submit, 0.5), quantile(latencies.submit, 0.99), quantile(latencies.whole, 0.5))
    return tuple(1000 * seconds for seconds in figures)


def _cells(rounds: Sequence[tuple[float, ...]], form: str) -> tuple[str, ...]:
    return tuple(format(Samples.of(values), form) for values in zip(*rounds, strict=True))
