"""Starts the mesh, keeps an eye on it, and stops it in reverse: nothing it started outlives it."""

import asyncio
import os
import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, fields, replace
from pathlib import Path
from time import monotonic

from weft_client.keys import KeyClient
from weft_compose import health
from weft_compose.errors import PortTaken
from weft_compose.parts import Part, ServerPart, ServicePart
from weft_compose.plan import Ports, Urls, plan_services
from weft_compose.ports import holder, is_free
from weft_compose.servers import NatsServer, PostgresServer, ValkeyServer
from weft_compose.state import Mesh, Process, RunningPart, StateFolder

_COMPOSE = Path(__file__).parents[1]
DEFAULT_CATALOG = _COMPOSE / "weft.toml"
DEMO_DOCUMENTS = _COMPOSE / "demo"


@dataclass(frozen=True)
class Launch:
    """What is to be started."""

    state: StateFolder
    ports: Ports
    catalog: Path
    engine: str = "llamacpp"
    grace_s: float = 15.0
    """Seconds a part has to end; longer than the services' own `grace_s`, so that they finish draining."""


class RunningMesh:
    """A mesh while it is up."""

    def __init__(self, record: Mesh, parts: Sequence[Part]) -> None:
        self.record = record
        self._parts = parts

    async def until_broken(self) -> None:
        """Waits until a part ends by itself, and raises PartFailed with its last words."""
        children = [part.child for part in self._parts if part.child]
        watches = [asyncio.create_task(health.ended(child)) for child in children]
        try:
            await asyncio.wait(watches, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for watch in watches:
                watch.cancel()
        for child in children:
            child.ensure_running()


@asynccontextmanager
async def mesh(launch: Launch, on_healthy: Callable[[Part, float], None]) -> AsyncIterator[RunningMesh]:
    """Runs the whole mesh while the context lasts; `on_healthy` hears of each part and the seconds it took.

    Raises:
        LaunchError: it cannot run; everything already started is stopped again.
    """
    with launch.state.locked():
        await launch.state.wait_for_leftovers()
        record = _record(launch)
        parts = _parts(launch, record.operator_token)
        for part in parts:
            part.check()
        _refuse_taken_ports(launch.ports)
        try:
            await _start(parts, launch.state, record, on_healthy)
            record = await _with_key(record)
            launch.state.write(replace(record, parts=_running(parts)))
            yield RunningMesh(record, parts)
        finally:
            for part in reversed(parts):
                await part.stop(launch.grace_s)
            launch.state.write(replace(record, launcher=None))


def _record(launch: Launch) -> Mesh:
    known = launch.state.read() or Mesh(endpoint="", operator_token=secrets.token_urlsafe(32))
    endpoint = launch.ports.address("gateway")
    return replace(known, endpoint=endpoint, launcher=Process.of(os.getpid()), parts=())


def _parts(launch: Launch, operator_token: str) -> list[Part]:
    state, ports = launch.state, launch.ports
    nats = NatsServer(state.data("nats"), ports.nats, state.log("nats"))
    postgres = PostgresServer(state.data("postgres"), ports.postgres, state.log("postgres"))
    valkey = ValkeyServer(state.data("valkey"), ports.valkey, state.log("valkey"))
    urls = Urls(nats.url, postgres.url, valkey.url)
    services = plan_services(ports, urls, state, launch.catalog, operator_token, launch.engine)
    return [
        *(ServerPart(server) for server in (nats, postgres, valkey)),
        *(ServicePart(service, state.log(service.name), state.data("bytecode")) for service in services),
    ]


def _refuse_taken_ports(ports: Ports) -> None:
    for each in fields(ports):
        if not is_free(port := getattr(ports, each.name)):
            raise PortTaken(
                f"port {port} for {each.name} is taken by {holder(port)}: "
                f"stop it, or choose other ports with `weft up --base-port {port + 1000}`"
            )


async def _start(
    parts: Sequence[Part], state: StateFolder, record: Mesh, on_healthy: Callable[[Part, float], None]
) -> None:
    healthy = {part.name: asyncio.Event() for part in parts}

    async def start(part: Part) -> None:
        for need in part.needs:
            await healthy[need].wait()
        began = monotonic()
        await part.start()
        state.write(replace(record, parts=_running(parts)))
        on_healthy(part, monotonic() - began)
        healthy[part.name].set()

    try:
        async with asyncio.TaskGroup() as group:
            for part in parts:
                group.create_task(start(part))
    except ExceptionGroup as failures:
        # A part may have failed only because one it needs has died since: name that one.
        for child in [part.child for part in parts if part.child]:
            child.ensure_running()
        raise failures.exceptions[0] from None


def _running(parts: Sequence[Part]) -> tuple[RunningPart, ...]:
    return tuple(running for part in parts if (running := part.running()))


async def _with_key(record: Mesh) -> Mesh:
    """Makes sure that the record holds a good API key of the default tenant."""
    async with KeyClient(record.endpoint, record.operator_token) as keys:
        good = {key.key_id async for key in keys.list(record.tenant) if not key.HasField("revoke_time")}
        if record.key_id in good:
            return record
        created = await keys.create(record.tenant, "default key of this mesh")
    return replace(record, key_id=created.key.key_id, api_key=created.secret)
