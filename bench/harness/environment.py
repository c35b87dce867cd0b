"""The environment of a section: a whole mesh of embedded parts, with the mock as its only provider."""

import asyncio
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from bench.harness.client import GatewayClient, connected

from weft_client.keys import KeyClient
from weft_compose.child import Child, Command
from weft_compose.launcher import Launch, RunningMesh, mesh
from weft_compose.parts import Part
from weft_compose.plan import Ports
from weft_compose.ports import free_ports
from weft_compose.state import StateFolder
from weft_kit.joblog import JobLog, LogConfig, connect

TENANT = "bench"
FIRST_TOKEN_MS = 20
TOKENS = 32
_CALLS_PER_MINUTE = 10_000_000
_SLOTS = 1024
_STOP_S = 10.0
# Half of a service's start is compiling its imports, so the result is kept between environments.
_BYTECODE = Path(__file__).parent / "__pycache__" / "services"
_IDLE_LIMIT_S = 60.0

_PROVIDER = """
[providers.mock]
kind = "openai"
base_url = "{base_url}"
max_connections = 2048
"""

_MODEL = """
[models.{alias}]
routes = [{{ provider = "mock", model = "mock?{script}" }}]
context_tokens = 16384
max_output_tokens = 8192
timeouts = {{ total_s = 150 }}
"""


@dataclass(frozen=True)
class EnvironmentSpec:
    """How an environment differs from the usual one.

    `scripts` maps further models to the mock's script for each (see weft_mock.script); `settings` are for services.
    Several `nats` form a cluster, and each keeps a copy of the log.
    """

    scripts: Mapping[str, str]
    routers: int = 1
    gateways: int = 1
    nats: int = 1
    settings: Mapping[str, Mapping[str, str]] | None = None


@dataclass(frozen=True)
class Environment:
    """A running mesh: its endpoints, its API key and its processes."""

    endpoint: str
    api_key: str
    mock_url: str
    passthrough: str
    mesh: RunningMesh
    others: Mapping[str, int]
    nats: int = 1

    @property
    def pids(self) -> dict[str, int]:
        """The processes that run now."""
        running = filter(None, (part.running() for part in self.mesh.parts))
        return {part.name: part.process.pid for part in running} | dict(self.others)

    def part(self, name: str) -> Part:
        """Returns a part of the mesh by its name, such as `router-2`."""
        return self.mesh.part(name)

    @property
    def nats_url(self) -> str:
        return self.mesh.urls.nats

    @property
    def log(self) -> LogConfig:
        return LogConfig(replicas=self.nats).of_mesh(self.mesh.record.mesh_id)

    @asynccontextmanager
    async def clients(self, connections: int) -> AsyncIterator[list[GatewayClient]]:
        """Yields clients of the gateway, each over a connection of its own."""
        async with _connected(self.endpoint, self.api_key, connections) as clients:
            yield clients

    @asynccontextmanager
    async def passthrough_clients(self, connections: int) -> AsyncIterator[list[GatewayClient]]:
        """Yields clients of the pass-through, each over a connection of its own."""
        async with _connected(self.passthrough, "", connections) as clients:
            yield clients

    async def wait_until_idle(self) -> None:
        """Waits until no job is queued or running."""
        async with connect(self.nats_url, "bench") as client, asyncio.timeout(_IDLE_LIMIT_S):
            log = JobLog(client, self.log)
            while (await log.depth(TENANT)).unfinished:  # noqa: ASYNC110 - the log knows, and sends no notice
                await asyncio.sleep(0.25)

    async def stop_workers(self) -> None:
        """Stops the router, so that jobs wait in the log."""
        await self.part("router").stop(_STOP_S)


@asynccontextmanager
async def _connected(endpoint: str, api_key: str, connections: int) -> AsyncIterator[list[GatewayClient]]:
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(connected(endpoint, api_key)) for _ in range(connections)]


class _SideProcess(NamedTuple):
    """A process outside the mesh."""

    child: Child
    port: int


@asynccontextmanager
async def environment(spec: EnvironmentSpec) -> AsyncIterator[Environment]:
    """Runs the mock and the mesh while the context lasts, on free ports and in a temporary folder."""
    with TemporaryDirectory(prefix="weft-bench-") as folder:
        root = Path(folder)
        mock = _start(root, "weft_mock", "--first-token-ms", str(FIRST_TOKEN_MS), "--tokens", str(TOKENS))
        mock_url = f"http://127.0.0.1:{mock.port}/v1"
        bare = _start(root, "bench.harness.passthrough", "--mock-url", mock_url)
        others = {"mock": mock.child.pid, "pass-through": bare.child.pid}
        try:
            async with mesh(_launch(root, spec, mock_url), lambda _part, _seconds: None) as running:
                record = running.record
                async with KeyClient(record.endpoint, record.operator_token) as keys:
                    created = await keys.create(TENANT, "bench", calls_per_minute=_CALLS_PER_MINUTE)
                bare_address = f"127.0.0.1:{bare.port}"
                yield Environment(record.endpoint, created.secret, mock_url, bare_address, running, others, spec.nats)
        finally:
            bare.child.stop()
            mock.child.stop()


def _launch(root: Path, spec: EnvironmentSpec, mock_url: str) -> Launch:
    catalog = root / "catalog.toml"
    models = (
        _MODEL.format(alias=alias, script=script) for alias, script in ({"default": ""} | {**spec.scripts}).items()
    )
    catalog.write_text(_PROVIDER.format(base_url=mock_url) + "".join(models))
    state = StateFolder(root / "state")
    state.root.mkdir()
    _BYTECODE.mkdir(parents=True, exist_ok=True)
    state.data("bytecode").symlink_to(_BYTECODE)
    return Launch(
        state,
        Ports.counted_from(0),
        catalog,
        engine="echo",
        replicas={"router": spec.routers, "gateway": spec.gateways, "nats": spec.nats},
        settings={"router": {"slots": str(_SLOTS)}, **(spec.settings or {})},
        log=LogConfig(replicas=spec.nats) if spec.nats > 1 else None,
    )


def _start(root: Path, module: str, *settings: str) -> _SideProcess:
    port = free_ports(1)[0]
    argv = [sys.executable, "-m", module, "--port", str(port), *settings]
    return _SideProcess(Child(Command(name=module, argv=argv, log=root / f"{module}.log")), port)
