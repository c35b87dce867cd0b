"""The stage: a whole mesh on embedded parts, with the mock as its only provider, each in a process of its own."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from weft_client.keys import KeyClient
from weft_compose.child import Child, Command
from weft_compose.launcher import Launch, mesh
from weft_compose.plan import Ports
from weft_compose.ports import free_ports
from weft_compose.state import StateFolder

FIRST_TOKEN_MS = 20
TOKENS = 32
CALLS_PER_MINUTE = 10_000_000

CATALOG = """
[providers.mock]
kind = "openai"
base_url = "{base_url}"
max_connections = 1024

[models.default]
routes = [{{ provider = "mock", model = "mock" }}]
context_tokens = 8192
max_output_tokens = 1024
"""


@dataclass(frozen=True)
class Stage:
    """Where things answer, who pays, and which processes to watch."""

    endpoint: str
    api_key: str
    mock_url: str
    passthrough: str
    pids: dict[str, int]


@asynccontextmanager
async def stage() -> AsyncIterator[Stage]:
    """Starts the mock and the mesh on free ports in a folder of their own, and stops them."""
    with TemporaryDirectory(prefix="weft-bench-") as folder:
        root = Path(folder)
        mock, mock_url = _start_mock(root)
        bare, passthrough = _start_passthrough(root, mock_url)
        try:
            catalog = root / "catalog.toml"
            catalog.write_text(CATALOG.format(base_url=mock_url))
            launch = Launch(StateFolder(root / "state"), Ports.counted_from(0), catalog, engine="echo")
            async with mesh(launch, lambda part, seconds: print(f"  {part.name:<10} up in {seconds:.1f} s")) as running:
                record = running.record
                async with KeyClient(record.endpoint, record.operator_token) as keys:
                    created = await keys.create("bench", "bench", calls_per_minute=CALLS_PER_MINUTE)
                parts = (launch.state.read() or record).parts
                pids = {part.name: part.process.pid for part in parts} | {"mock": mock.pid, "pass-through": bare.pid}
                yield Stage(record.endpoint, created.secret, mock_url, passthrough, pids)
        finally:
            bare.stop()
            mock.stop()


def _start_mock(root: Path) -> tuple[Child, str]:
    port = free_ports(1)[0]
    settings = ["--first-token-ms", str(FIRST_TOKEN_MS), "--tokens", str(TOKENS)]
    argv = [sys.executable, "-m", "weft_mock", "--port", str(port), *settings]
    return Child(Command(name="mock", argv=argv, log=root / "mock.log")), f"http://127.0.0.1:{port}/v1"


def _start_passthrough(root: Path, mock_url: str) -> tuple[Child, str]:
    port = free_ports(1)[0]
    argv = [sys.executable, "-m", "bench.passthrough", "--port", str(port), "--mock-url", mock_url]
    return Child(Command(name="passthrough", argv=argv, log=root / "passthrough.log")), f"127.0.0.1:{port}"
