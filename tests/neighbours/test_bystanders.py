"""While each hostile input is sent, over and over, a bystander is served as if it were alone."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import pytest_asyncio
from tests.neighbours.attacks import ATTACKS
from tests.neighbours.attacks import COLLECTION as THEIRS
from tests.neighbours.bystander import Bystander, p99

from weft_client.client import WeftClient
from weft_client.keys import KeyClient
from weft_compose.launcher import Launch, mesh
from weft_compose.plan import Ports
from weft_compose.ports import free_ports
from weft_compose.state import StateFolder

ROUND_S = 3.0
ROUNDS = 20
MOST = 2.0
LARGEST_BYTES = 1024**2
PIECE_BYTES = 50_000

CATALOG = """
[providers.engine]
kind = "inference"
target = "${{WEFT_INFERENCE_TARGET}}"

[providers.mock]
kind = "openai"
base_url = "http://127.0.0.1:{port}/v1"

[models.default]
routes = [{{ provider = "engine" }}]
context_tokens = 2048
max_output_tokens = 64

[models.huge]
routes = [{{ provider = "mock", model = "mock?text={huge}" }}]

[models.paced]
routes = [{{ provider = "mock", model = "mock?tokens=1&first_token_s=1" }}]
"""

pytestmark = [pytest.mark.quiet, pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(240)]


class Neighbours:
    """A mesh with a bystander and an attacker in it."""

    def __init__(self, endpoint: str, attackers_key: str, bystander: Bystander) -> None:
        self.endpoint = endpoint
        self.attackers_key = attackers_key
        self.bystander = bystander

    @asynccontextmanager
    async def attacked(self, name: str) -> AsyncIterator[None]:
        """Attacks while the context lasts."""
        arguments = ("-m", "tests.neighbours.attacker", name, self.endpoint, self.attackers_key)
        attacker = await asyncio.create_subprocess_exec(
            sys.executable, *arguments, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
        )
        assert attacker.stdout is not None
        assert await attacker.stdout.readline() == b"attacking\n"
        try:
            yield
        finally:
            calls, _ = await attacker.communicate(b"")  # which closes its input
        assert attacker.returncode == 0
        assert int(calls) > 0


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def neighbours(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Neighbours]:
    root = tmp_path_factory.mktemp("neighbours")
    (port,) = free_ports(1)
    catalog = root / "catalog.toml"
    catalog.write_text(
        CATALOG.format(port=port, huge="+".join(["x" * PIECE_BYTES] * (LARGEST_BYTES // PIECE_BYTES + 2)))
    )
    settings = {
        "inference": {"echo_tokens_per_s": "1000"},
        "router": {"max_answer_bytes": str(LARGEST_BYTES)},
    }
    launch = Launch(StateFolder(root / "state"), Ports.counted_from(0), catalog, engine="echo", settings=settings)
    mock = await asyncio.create_subprocess_exec(sys.executable, "-m", "weft_mock", "--port", str(port))
    try:
        async with mesh(launch, lambda _part, _seconds: None) as running:
            record = running.record
            async with KeyClient(record.endpoint, record.operator_token) as keys:
                theirs = await keys.create("attacker", "attacker")
            async with WeftClient(record.endpoint, theirs.secret) as weft:
                await weft.documents.ensure_collection(THEIRS)
            async with WeftClient(record.endpoint, record.api_key) as weft:
                bystander = Bystander(weft)
                await bystander.settle()
                yield Neighbours(record.endpoint, theirs.secret, bystander)
    finally:
        mock.terminate()
        await mock.wait()


@pytest.mark.parametrize("name", ATTACKS)
async def test_a_bystanders_p99_stays_within_twice_its_own(neighbours: Neighbours, name: str) -> None:
    """Rounds alone and under attack take turns, so that both see the same machine; a busy one is given more of them."""
    alone: list[float] = []
    attacked: list[float] = []
    for _ in range(ROUNDS):
        alone += await neighbours.bystander.watch(ROUND_S)
        async with neighbours.attacked(name):
            attacked += await neighbours.bystander.watch(ROUND_S)
        if p99(attacked) <= MOST * p99(alone):
            return
    pytest.fail(f"p99 of {p99(attacked):.3f} s under attack, {p99(alone):.3f} s alone")
