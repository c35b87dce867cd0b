"""Starts the mesh, watches it, and stops it in reverse order; nothing it started outlives it."""

import asyncio
import os
import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from time import monotonic
from typing import Any

from weft_client.keys import KeyClient
from weft_compose import health
from weft_compose.catalog_check import check_catalog
from weft_compose.engine_check import check_engine
from weft_compose.errors import PartFailed, PortTaken, StateUnusable
from weft_compose.log_errors import advice, after_colon
from weft_compose.parts import Part, ServerPart, ServicePart
from weft_compose.plan import Launch, Urls, catalog_variables, plan_services
from weft_compose.ports import holder, is_free
from weft_compose.servers import NatsCluster, NatsServer, PostgresServer, Seat, ValkeyServer
from weft_compose.settings import check_settings
from weft_compose.state import Mesh, Process, StateFolder

__all__ = ["DEFAULT_CATALOG", "DEMO_DOCUMENTS", "Launch", "RunningMesh", "mesh"]

# In a checkout these are links to the files next to the package, so that there is only one of each.
_SHIPPED = Path(str(files("weft_compose")))
DEFAULT_CATALOG = _SHIPPED / "weft.toml"
DEMO_DOCUMENTS = _SHIPPED / "demo"


class RunningMesh:
    """A mesh while it is up. Its parts may be stopped, killed and started again; mesh.json is kept up to date."""

    def __init__(self, state: StateFolder, record: Mesh, parts: Sequence[Part], urls: Urls) -> None:
        self.parts = tuple(parts)
        self.urls = urls
        """The addresses of its servers, with passwords."""
        self._state = state
        self._record = record
        for part in parts:
            part.on_start = self.note

    @property
    def record(self) -> Mesh:
        """The contents of mesh.json."""
        return self._record

    def part(self, name: str) -> Part:
        """Returns a part by its name: "gateway", "gateway-2", "nats", and so on."""
        return {part.name: part for part in self.parts}[name]

    def note(self, **changes: Any) -> None:
        """Rewrites mesh.json with these fields changed, and with the processes that run now."""
        running = tuple(running for part in self.parts if (running := part.running()))
        self._record = replace(self._record, **{"parts": running, **changes})
        self._state.write(self._record)

    async def until_broken(self) -> None:
        """Waits until a part ends by itself, and raises PartFailed with the last errors of its log."""
        children = [part.child for part in self.parts if part.child]
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
    """Runs the whole mesh while the context lasts; calls `on_healthy` with each part and the seconds it took to start.

    Raises:
        LaunchError: the mesh cannot run; everything already started is stopped again.
    """
    with launch.state.locked():
        await launch.state.wait_for_leftovers()
        check_engine(launch)
        record = _record(launch)
        parts, urls = _parts(launch, record)
        for part in parts:
            part.check()
        check_catalog(launch.catalog, {**os.environ, **catalog_variables(launch)})
        _refuse_taken_ports(parts)
        launch.state.begin_run()
        running = RunningMesh(launch.state, record, parts, urls)
        try:
            await _start(parts, on_healthy)
            running.note(**await _default_key(record))
            yield running
        finally:
            for part in reversed(parts):
                await part.stop(launch.grace_s)
            # If this fails, the file still names processes that have ended, so it is not taken for a running mesh.
            with suppress(StateUnusable):
                running.note(launcher=None)


def _record(launch: Launch) -> Mesh:
    known = launch.state.read() or Mesh(endpoint="", operator_token=secrets.token_urlsafe(32))
    return replace(
        known,
        endpoint=launch.ports.address("gateway"),
        endpoints=launch.addresses("gateway"),
        mesh_id=launch.state.mesh_id(),
        webhook_signing_key=known.webhook_signing_key or secrets.token_urlsafe(32),
        launcher=Process.of(os.getpid()),
        parts=(),
    )


def _parts(launch: Launch, record: Mesh) -> tuple[list[Part], Urls]:
    state, ports = launch.state, launch.ports
    nodes, nats_url = _nats(launch)
    postgres = PostgresServer(state.data("postgres"), ports.number("postgres"), state.log("postgres"))
    valkey = ValkeyServer(state.data("valkey"), ports.number("valkey"), state.log("valkey"))
    urls = Urls(nats_url, postgres.url, valkey.url)
    services = plan_services(launch, urls, record)
    check_settings(services)
    return [
        *(ServerPart(server) for server in (*nodes, postgres, valkey)),
        *(ServicePart(service, state.log(service.name), state.data("bytecode")) for service in services),
    ], urls


def _nats(launch: Launch) -> tuple[Sequence[NatsServer], str]:
    """Returns the nats-server, or the nodes of a cluster, and the URL for clients."""
    state, ports = launch.state, launch.ports
    if launch.count("nats") == 1:
        alone = NatsServer(state.data("nats"), ports.number("nats"), state.log("nats"))
        return [alone], alone.url
    cluster = NatsCluster(
        [
            # Not the folder of a single server: the nodes of a cluster do not adopt its streams.
            Seat(
                name,
                state.data("nats-cluster") / name,
                port=ports.number("nats", replica),
                route_port=ports.number("nats_route", replica),
                monitor_port=ports.number("nats_monitor", replica),
                log=state.log(name),
            )
            for replica, name in enumerate(launch.names("nats"), start=1)
        ]
    )
    return cluster.nodes, cluster.url


def _refuse_taken_ports(parts: Sequence[Part]) -> None:
    """Raises PortTaken with every port in use, so that the user does not learn of one per start."""
    taken = [(port, part.name) for part in parts for port in part.ports if not is_free(port)]
    if taken:
        listed = "; ".join(f"port {port} for {name} is taken by {holder(port)}" for port, name in taken)
        beyond = max(port for port, _ in taken) + 1000
        raise PortTaken(f"{listed}: stop what holds it, or choose other ports with `weft up --base-port {beyond}`")


async def _start(parts: Sequence[Part], on_healthy: Callable[[Part, float], None]) -> None:
    healthy = {part.name: asyncio.Event() for part in parts}

    async def start(part: Part) -> None:
        for need in part.needs:
            await healthy[need].wait()
        began = monotonic()
        try:
            await part.start()
        except OSError as error:
            why = after_colon([str(error), *advice(str(error))])
            raise PartFailed(f"{part.name} cannot be started:{why}") from None
        on_healthy(part, monotonic() - began)
        healthy[part.name].set()

    try:
        async with asyncio.TaskGroup() as group:
            for part in parts:
                group.create_task(start(part))
    except ExceptionGroup as failures:
        # A part may have failed only because one that it needs has ended since: report that one.
        for child in [part.child for part in parts if part.child]:
            child.ensure_running()
        raise failures.exceptions[0] from None


async def _default_key(record: Mesh) -> dict[str, str]:
    """Makes sure that the default tenant has a valid API key; returns the fields of the record that change."""
    async with KeyClient(record.endpoint, record.operator_token) as keys:
        good = {key.key_id async for key in keys.list(record.tenant) if not key.HasField("revoke_time")}
        if record.key_id in good:
            return {}
        created = await keys.create(record.tenant, "default key of this mesh")
    return {"key_id": created.key.key_id, "api_key": created.secret}
