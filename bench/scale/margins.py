"""What one more costs: a tenant, a message of tokens, an open stream; each as a difference within one mesh."""

import asyncio
import time
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import psycopg
from bench.harness.environment import Environment
from bench.harness.load import Run, closed_loop, open_loop
from bench.harness.undisturbed import least_disturbed, others_than
from bench.scale.log_bytes import LogUse, log_use
from bench.scale.replicas import Traffic
from bench.scale.run_size import RunSize
from bench.scale.scaled_mesh import ScaledMesh, by_kind
from bench.sections.idle import Waiting, measure_waiting

from weft_client.keys import KeyClient

TENANT_JOBS_PER_MINUTE = 1_000
PACED_IN_FLIGHT = 32
_AT_ONCE = 4
_FIRST_TRIES = 5
_Result = TypeVar("_Result")


@dataclass(frozen=True)
class Tenants:
    """So many tenants, a lane each: while nothing is asked, and while all together ask at one rate."""

    tenants: int
    first_s: float
    """What each tenant's first job took, which opens its lane."""
    idle_cores: Mapping[str, float]
    resident_mib: Mapping[str, float]
    run: Run
    cpu_s: Mapping[str, float]
    others_percent: float

    def cpu_ms(self) -> dict[str, float]:
        """Returns the CPU a job, by kind, beyond what is taken when idle."""
        busy = by_kind(self.cpu_s)
        return {
            kind: 1000 * (cpu_s - self.idle_cores[kind] * self.run.seconds) / len(self.run.outcomes)
            for kind, cpu_s in busy.items()
        }


@dataclass(frozen=True)
class Paced:
    """Streams that say tokens at the pace of a model, a message each."""

    idle_cores: Mapping[str, float]
    run: Run
    cpu_s: Mapping[str, float]
    traffic: Traffic
    others_percent: float


@dataclass(frozen=True)
class Margins:
    """All of it, on so many nats-servers; `streams` where they were measured."""

    nats: int
    tenants: Sequence[Tenants]
    second_router_cores: Mapping[str, float]
    """Idle, with the most tenants and one router more."""
    paced: Paced
    log: Mapping[str, LogUse]
    row_bytes: float
    streams: Waiting | None

    @property
    def errors(self) -> int:
        return len(self.paced.run.errors) + sum(len(each.run.errors) for each in self.tenants)


async def measure_margins(mesh: ScaledMesh, size: RunSize, *, with_streams: bool) -> Margins:
    """Measures on a mesh that was asked as little as possible before; it is of no use afterwards."""
    await mesh.scale_to(1, 1)
    async with mesh.calls() as call:
        await closed_loop(call, 16, 1)
    log = await log_use(mesh)
    # Before the tenants: their lanes take CPU and move bytes in nats-server all the time.
    paced = await _measure_paced(mesh, size)
    keys: list[str] = []
    tenants = []
    for count in size.tenants:
        new, first_s = await _new_tenants(mesh, keys, count)
        keys += new
        tenants.append(await _measure_tenants(mesh, keys, first_s / len(new), size))
    await mesh.scale_to(1, 2)
    second = await mesh.idle_cores(size.idle_s)
    await mesh.scale_to(1, 1)
    row_bytes = await asyncio.to_thread(_row_bytes, mesh.env)
    streams = await _measure_streams(mesh, size) if with_streams else None
    return Margins(mesh.env.nats, tenants, second, paced, log, row_bytes, streams)


async def _new_tenants(mesh: ScaledMesh, had: Sequence[str], count: int) -> tuple[list[str], float]:
    """Makes tenants until there are so many, each with a job, and so with a lane.

    Returns the keys of the new ones, and the seconds that their jobs took.
    """
    record = mesh.env.mesh.record
    async with KeyClient(record.endpoint, record.operator_token) as operator:
        names = [f"tenant-{number}" for number in range(len(had), count)]
        created = await _some_at_once([operator.create(name, "bench") for name in names])
    keys = [each.secret for each in created]
    began = time.perf_counter()
    await _first_jobs(mesh, keys)
    return keys, time.perf_counter() - began


async def _first_jobs(mesh: ScaledMesh, keys: Sequence[str]) -> None:
    """Makes a job for each key; those that fail are tried again, as clients do: many lanes at once take their time."""
    left = list(keys)
    for _ in range(_FIRST_TRIES):
        async with mesh.calls(left) as call:
            outcomes = await _some_at_once([call() for _ in left])
        left = [key for key, outcome in zip(left, outcomes, strict=True) if outcome.error]
        if not left:
            return
    error = next(outcome.error for outcome in outcomes if outcome.error)
    raise RuntimeError(f"the first jobs of {len(left)} of {len(keys)} tenants failed, the last with: {error}")


async def _some_at_once(calls: Sequence[Awaitable[_Result]]) -> list[_Result]:
    room = asyncio.Semaphore(_AT_ONCE)

    async def one(call: Awaitable[_Result]) -> _Result:
        async with room:
            return await call

    return await asyncio.gather(*map(one, calls))


async def _measure_tenants(mesh: ScaledMesh, keys: Sequence[str], first_s: float, size: RunSize) -> Tenants:
    await asyncio.sleep(size.idle_s / 4)  # the record catches up
    idle = await mesh.idle_cores(size.idle_s)
    meter = mesh.meter()
    resident = by_kind(meter.resident_mib())

    async def measure() -> tuple[Run, Mapping[str, float]]:
        async with mesh.calls(keys) as call:
            meter.restart()
            run = await open_loop(call, TENANT_JOBS_PER_MINUTE / 60, size.tenants_s)
            return run, meter.cpu_seconds()

    found = await least_disturbed(measure, size.tries, others_than(mesh.env.pids))
    size.made(found.tries)
    return Tenants(len(keys), first_s, idle, resident, *found.result, found.percent)


async def _measure_paced(mesh: ScaledMesh, size: RunSize) -> Paced:
    idle = await mesh.idle_cores(size.idle_s)
    meter = mesh.meter()

    async def measure() -> tuple[Run, Mapping[str, float], Traffic]:
        async with mesh.calls(model="paced") as call:
            meter.restart()
            before = Traffic.of(mesh.env.pids)
            run = await closed_loop(call, PACED_IN_FLIGHT, size.paced_s)
            return run, meter.cpu_seconds(), Traffic.of(mesh.env.pids).since(before)

    found = await least_disturbed(measure, size.tries, others_than(mesh.env.pids))
    size.made(found.tries)
    return Paced(idle, *found.result, found.percent)


def _row_bytes(env: Environment) -> float:
    """Returns PostgreSQL's disk for each recorded job: its table, indexes and large values."""
    with psycopg.connect(env.mesh.urls.postgres) as session:
        found = session.execute("SELECT pg_total_relation_size('jobs'), count(*) FROM jobs").fetchone()
    size, rows = found or (0, 1)
    return float(size / max(1, rows))


async def _measure_streams(mesh: ScaledMesh, size: RunSize) -> Waiting:
    await mesh.env.stop_workers()
    async with mesh.clients() as clients:
        jobs = [await clients[n % len(clients)].submit("default") for n in range(size.streams)]
        return await measure_waiting(mesh.meter(), clients, jobs, size.settle_s)
