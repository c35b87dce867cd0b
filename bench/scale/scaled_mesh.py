"""A mesh whose gateways and routers can be more or fewer: what runs is pinned, read and called as a whole."""

import asyncio
import itertools
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from bench.harness.client import GatewayClient, connected
from bench.harness.environment import Environment, EnvironmentSpec, environment
from bench.harness.load import Call, Outcome, streamed_job
from bench.harness.processes import Meter
from bench.scale.affinity import Placement, kind_of, pin

PACED_TOKENS, PACED_PER_SECOND = 120, 40
MODELS = {"paced": f"tokens={PACED_TOKENS}&tokens_per_second={PACED_PER_SECOND}"}
_CONNECTIONS = 4
_STOP_S = 15.0
_SETTLE_S = 1.5
_SCALED = ("gateway", "router")


@dataclass(frozen=True)
class ScaledMesh:
    """The environment, how many replicas it was started with, and the cores it is on."""

    env: Environment
    most: int
    placement: Placement

    async def scale_to(self, gateways: int, routers: int) -> None:
        """Stops and starts replicas until so many run, pins everything again, and lets it settle."""
        async with asyncio.TaskGroup() as group:
            for kind, wanted in zip(_SCALED, (gateways, routers), strict=True):
                for number in range(1, self.most + 1):
                    part = self.env.part(kind if number == 1 else f"{kind}-{number}")
                    group.create_task(part.start() if number <= wanted else part.stop(_STOP_S))
        pin(self.env.pids, self.placement)
        await asyncio.sleep(_SETTLE_S)

    @property
    def endpoints(self) -> list[str]:
        """Where the gateways that run answer."""
        running = (part.running() for part in self.env.mesh.parts)
        return [part.address for part in running if part and kind_of(part.name) == "gateway"]

    @asynccontextmanager
    async def clients(self) -> AsyncIterator[list[GatewayClient]]:
        """Yields clients over as many connections whatever the gateways, which have them in turn."""
        async with AsyncExitStack() as stack:
            endpoints = itertools.islice(itertools.cycle(self.endpoints), _CONNECTIONS)
            yield [await stack.enter_async_context(connected(each, self.env.api_key)) for each in endpoints]

    @asynccontextmanager
    async def calls(self, keys: Sequence[str] = (), model: str = "default") -> AsyncIterator[Call]:
        """Yields a function that makes one streamed job: connections take turns, and so do the keys of tenants."""
        async with self.clients() as clients:
            keyed = [client.with_key(key) for key in keys for client in clients] or clients
            in_turn = itertools.cycle(keyed[n] for n in turns(len(clients), len(keyed)))

            async def call() -> Outcome:
                return await streamed_job(next(in_turn), model)

            yield call

    def meter(self) -> Meter:
        """Returns a meter of what runs now."""
        return Meter(self.env.pids)

    async def idle_cores(self, seconds: float) -> dict[str, float]:
        """Returns the CPU that each kind of process takes while nothing is asked of it."""
        meter = self.meter()
        await asyncio.sleep(seconds)
        return {kind: cpu_s / seconds for kind, cpu_s in by_kind(meter.cpu_seconds()).items()}


@asynccontextmanager
async def scaled_mesh(nats: int, most: int, placement: Placement) -> AsyncIterator[ScaledMesh]:
    """Starts a mesh with the most replicas that it is to have; it stops all of it."""
    spec = EnvironmentSpec(MODELS, routers=most, gateways=most, nats=nats)
    async with environment(spec) as env:
        yield ScaledMesh(env, most, placement)


def by_kind(figures: Mapping[str, float]) -> dict[str, float]:
    """Returns the sums over the replicas of each kind."""
    sums: Counter[str] = Counter()
    for name, value in figures.items():
        sums[kind_of(name)] += value  # type: ignore[assignment]  # counts here are seconds and MiB
    return dict(sums)


def turns(connections: int, clients: int) -> list[int]:
    """Orders clients so that neither the connection nor the key is that of the one before.

    They are listed key by key: with a step of one more than the connections, each call changes both.
    """
    if clients == connections:
        return list(range(clients))
    keys = clients // connections
    return [(call % keys) * connections + (call % keys + call // keys) % connections for call in range(clients)]
