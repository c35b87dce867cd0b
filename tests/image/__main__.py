"""Starts every service from an image, on real servers, asks the mesh, and stops it: `python -m tests.image IMAGE`."""

import argparse
import asyncio
import secrets
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
from rich.console import Console
from tests.image.container import Container, Unfit

from weft_cli.demo import QUESTION, demonstrate
from weft_client.client import WeftClient
from weft_client.keys import KeyClient
from weft_compose.launcher import DEMO_DOCUMENTS, Launch
from weft_compose.plan import Ports, ServicePlan, Urls, plan_services
from weft_compose.servers import NatsServer, PostgresServer, ValkeyServer, serving
from weft_compose.state import Mesh, StateFolder

# Where the image has them.
_CATALOG = Path("/etc/weft/weft.toml")
_KEPT = "/var/lib/weft"
_LAST_GOOD = {"catalog_last_good": f"{_KEPT}/catalog.toml"}
_STATE = {"inference": {"state_dir": _KEPT}, "router": _LAST_GOOD, "gateway": _LAST_GOOD}


async def main(image: str, console: Console) -> int:
    """Tries the image; returns the exit code."""
    with TemporaryDirectory(prefix="weft-image-") as folder:
        launch = Launch(StateFolder(Path(folder)), Ports.counted_from(0), _CATALOG, settings=_STATE)
        mesh = Mesh(launch.ports.address("gateway"), operator_token=secrets.token_urlsafe(32))
        async with _servers(Path(folder)) as urls:
            plans = plan_services(launch, urls, mesh)
            try:
                async with _containers(image, plans, console):
                    await _metrics(plans)
                    return await _ask(mesh, console)
            except Unfit as unfit:
                console.print(f"✗ {unfit}")
                return 1


@asynccontextmanager
async def _servers(folder: Path) -> AsyncIterator[Urls]:
    """NATS, PostgreSQL and Valkey from wheels, on loopback ports."""
    async with AsyncExitStack() as stack:
        nats = stack.enter_context(serving(lambda port: NatsServer(folder / "nats", port)))
        postgres = stack.enter_context(serving(lambda port: PostgresServer(folder / "postgres", port)))
        valkey = stack.enter_context(serving(lambda port: ValkeyServer(folder / "valkey", port)))
        yield Urls(nats.url, postgres.url, valkey.url)


@asynccontextmanager
async def _containers(image: str, plans: Sequence[ServicePlan], console: Console) -> AsyncIterator[None]:
    """A healthy container for each service; all drain when the context is left in peace, and all are removed."""
    trial = secrets.token_hex(4)
    async with AsyncExitStack() as stack:
        running = []
        for plan in plans:
            container = Container(f"weft-{trial}-{plan.name}")
            stack.push_async_callback(container.remove)
            await container.start(image, ["python", "-m", f"weft_{plan.service}"], plan.environment())
            running.append(container)
        for plan, container in zip(plans, running, strict=True):
            await container.until_healthy()
            console.print(f"✓ {plan.name} is healthy in its container")
        yield
        for container in reversed(running):
            await container.stop()
        console.print("✓ all drained and ended")


async def _metrics(plans: Sequence[ServicePlan]) -> None:
    """Raises Unfit when a service does not show its metrics."""
    async with httpx.AsyncClient() as http:
        for plan in plans:
            shown = await http.get(f"http://127.0.0.1:{plan.ports[1]}/metrics")
            if "weft_calls" not in shown.text:
                raise Unfit(f"{plan.name} shows no metrics")


async def _ask(mesh: Mesh, console: Console) -> int:
    async with KeyClient(mesh.endpoint, mesh.operator_token) as keys:
        key = await keys.create(mesh.tenant, "trial of an image")
    async with WeftClient(mesh.endpoint, key.secret) as weft:
        return await demonstrate(weft, DEMO_DOCUMENTS, QUESTION, console)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="tests.image", description=__doc__)
    parser.add_argument("image")
    sys.exit(asyncio.run(main(parser.parse_args().image, Console(markup=False, highlight=False))))
