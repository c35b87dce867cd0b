"""The state of a running mesh's parts: health, CPU, memory."""

import asyncio
import socket
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from weft_compose import health
from weft_compose.catalog_state import CatalogState, catalog_state
from weft_compose.child import tail
from weft_compose.errors import NotRunning
from weft_compose.log_errors import last_problem
from weft_compose.state import RunningPart, StateFolder

_SERVERS = ("nats", "postgres", "valkey")
_SAMPLE_S = 0.2


@dataclass(frozen=True)
class PartStatus:
    """The state of a part. `cpu_percent` is of one core, over a moment; CPU and memory include child processes."""

    name: str
    address: str
    pid: int
    healthy: bool
    health: str
    """"healthy"; else "not ready" (it lacks something), "no answer", "paused" or "ended"."""
    why: str
    """The last error or warning in its log, if it is not healthy."""
    catalog: CatalogState | None
    """The catalog it follows; None for parts that follow none, and while it does not answer."""
    cpu_percent: float
    cpu_s: float
    rss_bytes: int
    log: str


@dataclass(frozen=True)
class MeshStatus:
    """The state of a running mesh."""

    endpoint: str
    launcher_pid: int
    parts: tuple[PartStatus, ...]

    @property
    def healthy(self) -> bool:
        return all(part.healthy for part in self.parts)


async def mesh_status(state: StateFolder) -> MeshStatus:
    """Returns the state of the mesh; looks at every part at the same time.

    Raises:
        NotRunning: no mesh runs from this folder.
    """
    mesh = state.read()
    if mesh is None or mesh.launcher is None or not mesh.is_up():
        raise NotRunning(f"no mesh runs from {state.root}: start one with `weft up`")
    parts = await asyncio.gather(*(_look(part, mesh.operator_token) for part in mesh.parts))
    return MeshStatus(mesh.endpoint, mesh.launcher.pid, tuple(parts))


async def _look(part: RunningPart, operator_token: str) -> PartStatus:
    before = _cpu_s(family := _family(part))
    found, catalog, _ = await asyncio.gather(
        _health(part, family), catalog_state(part, operator_token), asyncio.sleep(_SAMPLE_S)
    )
    after = _cpu_s(family)
    return PartStatus(
        name=part.name,
        address=part.address,
        pid=part.process.pid,
        healthy=found == "healthy",
        health=found,
        why="" if found == "healthy" else last_problem(tail(Path(part.log))),
        catalog=catalog,
        cpu_percent=round(100 * (after - before) / _SAMPLE_S, 1),
        cpu_s=round(after, 2),
        rss_bytes=sum(_rss_bytes(process) for process in family),
        log=part.log,
    )


async def _health(part: RunningPart, family: list[psutil.Process]) -> str:
    if not family:
        return "ended"
    with suppress(psutil.NoSuchProcess):
        # The kernel still accepts connections for a paused process.
        if family[0].status() == psutil.STATUS_STOPPED:
            return "paused"
    if part.kind not in _SERVERS:
        return await health.ask(part.address)
    host, _, port = part.address.rpartition(":")
    with suppress(OSError):
        await asyncio.to_thread(lambda: socket.create_connection((host, int(port)), timeout=2).close())
        return "healthy"
    return "no answer"


def _family(part: RunningPart) -> list[psutil.Process]:
    parent = part.process.find()
    return [parent, *parent.children(recursive=True)] if parent else []


def _cpu_s(family: list[psutil.Process]) -> float:
    total = 0.0
    for process in family:
        with suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            total += times.user + times.system
    return total


def _rss_bytes(process: psutil.Process) -> int:
    with suppress(psutil.NoSuchProcess):
        return int(process.memory_info().rss)
    return 0
