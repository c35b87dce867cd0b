"""How the parts of a running mesh are: health, processor, memory."""

import asyncio
import socket
from contextlib import suppress
from dataclasses import dataclass

import psutil

from weft_compose import health
from weft_compose.errors import NotRunning
from weft_compose.state import RunningPart, StateFolder

_SERVERS = ("nats", "postgres", "valkey")
_SAMPLE_S = 0.2


@dataclass(frozen=True)
class PartStatus:
    """One part now. `cpu_percent` is of one core, over the last moment; memory includes its child processes."""

    name: str
    address: str
    pid: int
    healthy: bool
    cpu_percent: float
    cpu_s: float
    rss_bytes: int
    log: str


@dataclass(frozen=True)
class MeshStatus:
    """A running mesh now."""

    endpoint: str
    launcher_pid: int
    parts: tuple[PartStatus, ...]

    @property
    def healthy(self) -> bool:
        return all(part.healthy for part in self.parts)


async def mesh_status(state: StateFolder) -> MeshStatus:
    """Looks at every part at once.

    Raises:
        NotRunning: no mesh runs from this folder.
    """
    mesh = state.read()
    if mesh is None or mesh.launcher is None or not mesh.is_up():
        raise NotRunning(f"no mesh runs from {state.root}: start one with `weft up`")
    parts = await asyncio.gather(*(_look(part) for part in mesh.parts))
    return MeshStatus(mesh.endpoint, mesh.launcher.pid, tuple(parts))


async def _look(part: RunningPart) -> PartStatus:
    before = _cpu_s(family := _family(part))
    healthy, _ = await asyncio.gather(_healthy(part), asyncio.sleep(_SAMPLE_S))
    after = _cpu_s(family)
    return PartStatus(
        name=part.name,
        address=part.address,
        pid=part.process.pid,
        healthy=healthy and bool(family),
        cpu_percent=round(100 * (after - before) / _SAMPLE_S, 1),
        cpu_s=round(after, 2),
        rss_bytes=sum(_rss_bytes(process) for process in family),
        log=part.log,
    )


async def _healthy(part: RunningPart) -> bool:
    if part.kind not in _SERVERS:
        return await health.is_serving(part.address)
    host, _, port = part.address.rpartition(":")
    with suppress(OSError):
        await asyncio.to_thread(lambda: socket.create_connection((host, int(port)), timeout=2).close())
        return True
    return False


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
