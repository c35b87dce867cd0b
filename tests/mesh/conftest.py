"""One whole mesh for the run: every service a process of its own, real servers, a real model."""

import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from tests.mesh.environment import Environment

from weft_client.client import WeftClient
from weft_client.keys import KeyClient
from weft_compose.launcher import Launch, mesh
from weft_compose.plan import Ports
from weft_compose.ports import free_ports
from weft_compose.state import StateFolder

CATALOG = """
[providers.local]
kind = "inference"
target = "${{WEFT_INFERENCE_TARGET:-{inference}}}"

[providers.gone]
kind = "openai"
base_url = "http://127.0.0.1:{nobody}/v1"

[models.default]
routes = [{{ provider = "local" }}]
context_tokens = 2048
max_output_tokens = 512

[models.unreachable]
routes = [{{ provider = "gone", model = "any" }}]
context_tokens = 2048
max_output_tokens = 512
"""

HANDBOOK = {
    "ferry.md": "# The Marrow ferry\n\nThe ferry to Marrow island leaves from pier nine every morning at seven. "
    "Its captain is Odile Brandt. Bicycles travel free of charge.\n",
    "light.md": "# The Harrow light\n\nThe lighthouse on Harrow rock was lit in 1874. Its keeper is Tomas Vell. "
    "The lamp turns once every twelve seconds.\n",
}


@pytest_asyncio.fixture(scope="package", loop_scope="package")
async def environment(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Environment]:
    root = tmp_path_factory.mktemp("mesh")
    ports = Ports.counted_from(0)
    catalog = root / "catalog.toml"
    catalog.write_text(CATALOG.format(inference=ports.address("inference"), nobody=free_ports(1)[0]))
    launch = Launch(StateFolder(root / "state"), ports, catalog)
    async with mesh(launch, lambda _part, _seconds: None) as running:
        record = running.record
        async with KeyClient(record.endpoint, record.operator_token) as keys:
            other = await keys.create("other", "another tenant")
        async with WeftClient(record.endpoint, record.api_key) as weft:
            await weft.documents.ensure_collection("handbook")
            for name, text in HANDBOOK.items():
                await weft.documents.ingest("handbook", name, text.encode())
        yield Environment(
            record.endpoint,
            record.api_key,
            other.secret,
            record.operator_token,
            ports.address("inference"),
            launch.state.root,
        )


@pytest.fixture(scope="session")
def programs() -> Path:
    """The folder where this environment's programs are."""
    return Path(sys.executable).parent
