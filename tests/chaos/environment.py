"""A whole mesh with two of each service that holds jobs, and links that can be cut between its parts."""

import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.chaos.orders import ARGUMENTS, TENANTS
from tests.chaos.shaky_receiver import ShakyReceiver
from tests.support.tcp_proxy import TcpProxy

from weft_client.keys import KeyClient
from weft_compose.child import Child, Command
from weft_compose.launcher import Launch, RunningMesh, mesh
from weft_compose.parts import Part
from weft_compose.plan import SERVICES, Ports
from weft_compose.ports import LOOPBACK, is_free
from weft_compose.servers import EmbeddedServer, NatsServer, PostgresServer
from weft_compose.state import StateFolder
from weft_kit.joblog import LogConfig

_REPLICAS = {"gateway": 2, "router": 2, "inference": 2}
_MOCK = "mock"


def _names(kind: str) -> list[str]:
    return [kind, *(f"{kind}-{replica}" for replica in range(2, _REPLICAS.get(kind, 1) + 1))]


PARTS = (*(name for service in SERVICES for name in _names(service)), "nats", "postgres", "valkey", _MOCK)
GATEWAYS = _names("gateway")
# What a link leads to: a use of a port, and whose.
LINKS = {
    **{f"clients-{name}": ("gateway", replica) for replica, name in enumerate(GATEWAYS, 1)},
    "gateways-nats": ("nats", 1),
    "gateways-postgres": ("postgres", 1),
    "routers-nats": ("nats", 1),
    "routers-mock": (_MOCK, 1),
}

_CALLS_PER_MINUTE = 10_000_000
# Below the range from which connections take their own ports: a part that is away must find its port free again.
_BASES = range(12_000, 32_000, 200)
_MOCK_PLACE = 60

_PROVIDERS = ("mock", "refusing", "tearing", "erring", "hopeless")
_PROVIDER = """
[providers.{name}]
kind = "openai"
base_url = "http://{mock}/v1"
"""
_REST = """
[providers.engine]
kind = "inference"
target = "${{WEFT_INFERENCE_TARGET}}"

[models.brief]
routes = [{{ provider = "mock", model = "mock?tokens=12&tokens_per_second=100" }}]

[models.middling]
routes = [{{ provider = "mock", model = "mock?tokens=40&tokens_per_second=50" }}]

[models.long]
routes = [{{ provider = "mock", model = "mock?tokens=120&tokens_per_second=30" }}]

[models.echo]
routes = [{{ provider = "engine" }}]

[models.tool]
routes = [{{ provider = "mock", model = "mock?tool_calls=find:{arguments}&tokens_per_second=4" }}]

[models.refusing]
routes = [
    {{ provider = "refusing", model = "mock?status=429&retry_after=1" }},
    {{ provider = "mock", model = "mock?tokens=20&tokens_per_second=50" }},
]

[models.tearing]
routes = [
    {{ provider = "tearing", model = "mock?tokens=20&fault=reset&at_token=7&tokens_per_second=50" }},
    {{ provider = "mock", model = "mock?tokens=20&tokens_per_second=50" }},
]

[models.erring]
routes = [
    {{ provider = "erring", model = "mock?tokens=20&fault=error-event&at_token=7&tokens_per_second=50" }},
    {{ provider = "mock", model = "mock?tokens=20&tokens_per_second=50" }},
]

[models.hopeless]
routes = [{{ provider = "hopeless", model = "mock?status=500" }}]

[models.popular]
routes = [{{ provider = "mock", model = "mock?tokens=12&tokens_per_second=50" }}]

[tenants.blue]
weight = 2.0

[tenants.crimson]
max_in_flight = 8
"""


@dataclass(frozen=True)
class Environment:
    """Where things answer while the mesh is up, and the handles by which it is harmed."""

    mesh: RunningMesh
    mock: "MockPart"
    links: Mapping[str, TcpProxy]
    receiver: ShakyReceiver
    keys: Mapping[str, str]

    def part(self, name: str) -> Part:
        return self.mock if name == _MOCK else self.mesh.part(name)

    @property
    def gateways(self) -> list[str]:
        """The gateways as clients reach them, over their links."""
        return [self.links[f"clients-{gateway}"].address for gateway in GATEWAYS]

    @property
    def nats_url(self) -> str:
        return self.mesh.urls.nats

    @property
    def log(self) -> LogConfig:
        return LogConfig().of_mesh(self.mesh.record.mesh_id)

    @property
    def postgres_url(self) -> str:
        return self.mesh.urls.postgres


class MockPart(Part):
    """The provider, as a process that can be treated like the others."""

    def __init__(self, port: int, log: Path) -> None:
        super().__init__(_MOCK, [port], log, needs=())
        self._child: Child | None = None

    @property
    def child(self) -> Child | None:
        return self._child

    def check(self) -> None:
        """Needs nothing but this project."""

    async def _start(self) -> None:
        argv = [sys.executable, "-m", "weft_mock", "--port", str(self.ports[0])]
        self._child = Child(Command(name=self.name, argv=argv, log=self.log))


@asynccontextmanager
async def environment(root: Path) -> AsyncIterator[Environment]:
    """Runs the mesh in a folder while the context lasts; its logs stay there."""
    ports, mock_port = _ports()
    async with AsyncExitStack() as stack:
        links = {
            name: await stack.enter_async_context(_proxy(_address(ports, mock_port, *far)).listening())
            for name, far in LINKS.items()
        }
        receiver = await stack.enter_async_context(ShakyReceiver().running())
        mock = MockPart(mock_port, root / "logs" / "mock.log")
        stack.push_async_callback(mock.stop, 1.0)
        await mock.start()
        launch = _launch(root, ports, links)
        running = await stack.enter_async_context(mesh(launch, lambda _part, _seconds: None))
        yield Environment(running, mock, links, receiver, await _keys(running))


def _ports() -> tuple[Ports, int]:
    """Finds a stretch of ports of which none is taken."""
    base = next(base for base in _BASES if all(is_free(port) for port in range(base, base + 130)))
    return Ports.counted_from(base), base + _MOCK_PLACE


def _address(ports: Ports, mock_port: int, use: str, replica: int) -> str:
    return f"{LOOPBACK}:{mock_port}" if use == _MOCK else ports.address(use, replica)


def _proxy(address: str) -> TcpProxy:
    host, _, port = address.rpartition(":")
    return TcpProxy(host, int(port))


def _over(link: TcpProxy, state: StateFolder, kind: type[EmbeddedServer]) -> str:
    """Where a server of the mesh answers to those who reach it over a link."""
    return kind(state.data(kind.name), link.local_port).url


def _launch(root: Path, ports: Ports, links: Mapping[str, TcpProxy]) -> Launch:
    catalog = root / "catalog.toml"
    mock = links["routers-mock"].address
    providers = "".join(_PROVIDER.format(name=name, mock=mock) for name in _PROVIDERS)
    catalog.write_text(providers + _REST.format(arguments=ARGUMENTS.replace('"', "%22")))
    state = StateFolder(root)
    return Launch(
        state,
        ports,
        catalog,
        engine="echo",
        replicas=_REPLICAS,
        settings={
            "gateway": {
                "nats_url": _over(links["gateways-nats"], state, NatsServer),
                "postgres_url": _over(links["gateways-postgres"], state, PostgresServer),
                "webhook_allow_private": "true",
                "webhook_first_wait_s": "0.5",
                "webhook_longest_wait_s": "4",
                # As long is a webhook out of reach whose notifier was killed during a try.
                "webhook_limit_s": "5",
                "address_calls_per_minute": "0",
                "grace_s": "3",
            },
            "router": {
                "nats_url": _over(links["routers-nats"], state, NatsServer),
                "slots": "64",
                # More is broken at once here than in any outage, and more workers are lost than by any job.
                "max_attempts": "20",
                "max_lost_attempts": "20",
                "longest_wait_s": "1.5",
                "grace_s": "3",
            },
            "inference": {"echo_tokens_per_s": "30", "slots": "256", "queue_limit": "1000", "grace_s": "3"},
        },
    )


async def _keys(running: RunningMesh) -> dict[str, str]:
    record = running.record
    async with KeyClient(record.endpoint, record.operator_token) as keys:
        return {name: (await keys.create(name, "chaos", _CALLS_PER_MINUTE)).secret for name in TENANTS}
