"""The parts of a mesh as processes that start and restart: real servers and Weft's services behind one interface."""

import asyncio
import os
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from pathlib import Path

import psutil

from weft_compose import health
from weft_compose.child import Child, Command
from weft_compose.errors import PartFailed
from weft_compose.plan import ServicePlan
from weft_compose.ports import LOOPBACK
from weft_compose.servers import EmbeddedServer
from weft_compose.state import Process, RunningPart
from weft_compose.wheels import require

_START_LIMIT_S = 60.0


class Part(ABC):
    """One process of the mesh. `needs` names the parts that must be healthy before it starts.

    It may be stopped, killed and paused at any time, and started again with the same ports, data folder, settings and
    log.
    """

    def __init__(self, name: str, ports: Sequence[int], log: Path, needs: Sequence[str]) -> None:
        self.name = name
        self.ports = ports
        self.address = f"{LOOPBACK}:{ports[0]}"
        self.log = log
        self.needs = needs
        self.on_start: Callable[[], None] = lambda: None
        """Called whenever a new process of this part has become healthy."""

    @property
    @abstractmethod
    def child(self) -> Child | None:
        """The process, once started."""

    @abstractmethod
    def check(self) -> None:
        """Raises MissingPart if something that it needs is not installed."""

    async def start(self) -> None:
        """Starts the process, unless it runs, and returns once it is healthy. Call it on the main thread, see Child.

        Raises:
            PartFailed: it ended, or did not become healthy in time.
        """
        if self.running() is None:
            await self._start()
            self.on_start()

    async def stop(self, grace_s: float) -> None:
        """Asks the process to end if it runs (SIGTERM), and kills it after `grace_s` seconds."""
        if self.child is not None:
            await asyncio.to_thread(self.child.stop, grace_s)

    async def kill(self) -> None:
        """Kills the process and its children (SIGKILL); returns once they are gone."""
        if self.child is not None:
            await asyncio.to_thread(self.child.kill)

    def pause(self) -> None:
        """Freezes the process and its children (SIGSTOP): others see it hang, not end."""
        if self.child is not None:
            self.child.pause()

    def resume(self) -> None:
        """Lets a paused process go on (SIGCONT)."""
        if self.child is not None:
            self.child.resume()

    def running(self) -> RunningPart | None:
        """Returns the process as mesh.json describes it; None if there is none."""
        if self.child is None or self.child.exit_code is not None:
            return None
        with suppress(psutil.NoSuchProcess):  # killed on another thread, which has not noted its exit code yet
            return RunningPart(self.name, self.address, Process.of(self.child.pid), str(self.log))
        return None

    @abstractmethod
    async def _start(self) -> None: ...


class ServerPart(Part):
    """A server from a wheel."""

    def __init__(self, server: EmbeddedServer) -> None:
        super().__init__(server.name, server.ports, server.log, needs=())
        self._server = server

    @property
    def child(self) -> Child | None:
        return self._server.child

    def check(self) -> None:
        self._server.command()

    async def _start(self) -> None:
        await asyncio.to_thread(self._server.prepare)
        self._server.start()
        await asyncio.to_thread(self._server.wait_ready)


class ServicePart(Part):
    """One of Weft's services, run by this interpreter."""

    def __init__(self, plan: ServicePlan, log: Path, bytecode: Path) -> None:
        super().__init__(plan.name, plan.ports, log, plan.needs)
        self._plan = plan
        # Half of a service's start is compiling its imports, so the result is kept, even where the environment
        # forbids to write it next to the sources.
        kept = os.environ.get("PYTHONPYCACHEPREFIX", str(bytecode))
        self._python = {"PYTHONPYCACHEPREFIX": kept, "PYTHONDONTWRITEBYTECODE": ""}
        self._child: Child | None = None

    @property
    def child(self) -> Child | None:
        return self._child

    def check(self) -> None:
        for wheel in self._plan.wheels:
            require(wheel)

    async def _start(self) -> None:
        argv = [sys.executable, "-m", f"weft_{self._plan.service}"]
        self._child = Child(
            Command(name=self.name, argv=argv, log=self.log, env={**self._python, **self._plan.environment()})
        )
        try:
            async with asyncio.timeout(_START_LIMIT_S):
                await _first(health.until_serving(self.address), health.ended(self._child))
        except TimeoutError:
            words = self._child.last_words()
            raise PartFailed(f"{self.name} is not healthy after {_START_LIMIT_S:.0f} s:{words}") from None
        self._child.ensure_running()


async def _first(*waits: Coroutine[None, None, None]) -> None:
    """Returns when the first of several waits does, and cancels the others."""
    tasks = {asyncio.create_task(wait) for wait in waits}
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
