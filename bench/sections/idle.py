"""Idle streams: the memory and CPU of waiting for jobs that no worker takes."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from bench.harness.client import Events, GatewayClient
from bench.harness.environment import EnvironmentSpec, environment
from bench.harness.processes import Meter
from bench.report.document import Aim, Section
from bench.report.markdown import paragraph, table
from bench.report.samples import Samples

from weft_kit.joblog import LogConfig

_CONNECTIONS = 20
_STEPS = 4
_MOST_KIB = 15
_CHECK_S = LogConfig().idle_check_s

ABOUT = f"""\
The workers are stopped, so jobs wait in the log, each with an open `StreamJob` that has received `accepted` and waits
for more, over {_CONNECTIONS} connections. Streams are opened in {_STEPS} equal steps, and memory is read once those of
a step have been silent long enough to check the log, which each does every {_CHECK_S:.0f} s in case it missed
something; that is also what the CPU is for. The figures per stream are of the steps after the first, which also needs
memory for pools and code. The pass-through opens as many streams that say one event and wait, with nothing behind them:
what gRPC takes."""


@dataclass(frozen=True)
class Waiting:
    """The readings at first, after each step and at the end: resident MiB and CPU cores, by process."""

    streams: int
    resident_mib: list[dict[str, float]]
    closed_mib: dict[str, float]
    cores: dict[str, float]

    def kib_a_stream(self, name: str) -> Samples:
        mib = [resident[name] for resident in self.resident_mib]
        return Samples.of(1024 * (b - a) * _STEPS / self.streams for a, b in pairwise(mib[1:]))


async def measure(*, quick: bool) -> Section:
    streams, settle_s = (400, 1.0) if quick else (2000, _CHECK_S + 2)
    async with environment(EnvironmentSpec({})) as env, env.clients(_CONNECTIONS) as clients:
        await env.stop_workers()
        jobs = [await client.submit("default") for client in clients for _ in range(streams // _CONNECTIONS)]
        found = await measure_waiting(Meter(env.pids), clients, jobs, settle_s)
        async with env.passthrough_clients(_CONNECTIONS) as bare_clients:
            bare = await measure_waiting(Meter(env.others), bare_clients, jobs, settle_s)
    rows = [*(_row(found, name) for name in ("gateway", "nats", "client")), _row(bare, "pass-through")]
    return Section(["## Idle streams", "", *paragraph(ABOUT), *table(_head(streams), rows)], [_aim(found, bare)])


async def measure_waiting(meter: Meter, clients: Sequence[GatewayClient], jobs: list[str], settle_s: float) -> Waiting:
    """Opens a stream on each job in equal steps, reads memory and CPU while they wait, and closes them."""
    resident = [meter.resident_mib()]
    streams: list[Events] = []
    for n in range(_STEPS):
        begun = [clients[k % len(clients)].read(job_id) for k, job_id in enumerate(jobs[n::_STEPS])]
        await asyncio.gather(*map(anext, begun))
        streams += begun
        await asyncio.sleep(settle_s)
        resident.append(meter.resident_mib())
    meter.restart()
    await asyncio.sleep(_CHECK_S)
    cores = {name: cpu_s / _CHECK_S for name, cpu_s in meter.cpu_seconds().items()}
    await asyncio.gather(*(stream.aclose() for stream in streams))
    await asyncio.sleep(settle_s)
    return Waiting(len(jobs), resident, meter.resident_mib(), cores)


def _aim(found: Waiting, bare: Waiting) -> Aim:
    gateway, grpc = found.kib_a_stream("gateway"), bare.kib_a_stream("pass-through")
    wanted = f"an open idle stream in the gateway: at most {_MOST_KIB} KiB"
    return Aim(wanted, f"{gateway:.0f}; bare gRPC {grpc.median:.0f}", gateway.median <= _MOST_KIB)


def _head(streams: int) -> tuple[str, ...]:
    opened = f"with {streams:,}, MiB"
    return ("", "before, MiB", opened, "KiB a stream", "closed again, MiB", "CPU while idle, cores")


def _row(found: Waiting, name: str) -> tuple[str, ...]:
    return (
        name,
        f"{found.resident_mib[0][name]:.0f}",
        f"{found.resident_mib[-1][name]:.0f}",
        f"{found.kib_a_stream(name):.1f}",
        f"{found.closed_mib[name]:.0f}",
        f"{found.cores[name]:.2f}",
    )
