"""What the measurements need of a system: readers and writers to command, processes to meter, a way to break it."""

import asyncio
import socket
import time
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench.durable_streams.program import Program

from weft_compose.child import Child, Command
from weft_compose.errors import PartFailed
from weft_compose.ports import LOOPBACK

RATE = 20.0
"""Tokens a second that each stream says."""
_POLL_S = 0.02
_START_S = 60.0


@dataclass(frozen=True)
class Setup:
    """What a system is started for."""

    folder: Path
    """Empty, and all its own."""
    answers: Sequence[int]
    """How many tokens its answers will have."""
    workers: int = 1
    """How many processes write, where another takes over."""


@dataclass(frozen=True)
class Backlog:
    """A stream with tokens in it, which nobody has read."""

    stream: str
    records: int
    """In how many pieces the log holds the tokens."""
    asked: Mapping[str, object] = field(default_factory=dict)
    """What the reader is told besides."""


@dataclass(frozen=True)
class Running:
    """A system that runs."""

    reader: Program
    writer: Program | None
    """None where a worker of the system writes what its reader asks for."""
    processes: Callable[[], Mapping[str, int]]
    """Its processes by the column in which their CPU is shown."""
    kill_worker: Callable[[], Awaitable[None]]
    kill_server: Callable[[], Awaitable[None]]
    start_server: Callable[[], Awaitable[None]]
    fill: Callable[[str, int], Awaitable[Backlog]]
    """Writes a stream of so many tokens."""


class System(ABC):
    """One way to keep streams durable."""

    name: str
    takes_over: bool
    """Whether another worker goes on with the streams of one that died."""
    survives = True
    """Whether its streams outlive its server."""

    def missing(self) -> str:
        """Returns what to install before it can be measured; empty when nothing is missing."""
        return ""

    @abstractmethod
    def version(self) -> str:
        """Returns what runs, for the report."""

    @abstractmethod
    def running(self, setup: Setup) -> AbstractAsyncContextManager[Running]:
        """Starts it, and ends it with the block."""


class Server:
    """A server of another project: a process that listens on one port."""

    def __init__(self, command: Command, port: int) -> None:
        self._command = command
        self._port = port
        self._child: Child | None = None

    @property
    def pid(self) -> int:
        return self._running.pid

    async def start(self) -> None:
        """Starts it; returns once it listens.

        Raises:
            PartFailed: it ended, or does not listen in time.
        """
        self._child = Child(self._command)
        give_up = time.monotonic() + _START_S
        while not self._listens():
            self._child.ensure_running()
            if time.monotonic() > give_up:
                raise PartFailed(f"{self._command.name} does not listen on {self._port}: see {self._command.log}")
            await asyncio.sleep(_POLL_S)

    async def kill(self) -> None:
        """Kills it (SIGKILL)."""
        self._running.kill()

    def stop(self) -> None:
        """Stops it if it runs."""
        if self._child is not None:
            self._child.stop()

    @property
    def _running(self) -> Child:
        if self._child is None:
            raise PartFailed(f"{self._command.name} was not started")
        return self._child

    def _listens(self) -> bool:
        with socket.socket() as connection:
            return connection.connect_ex((LOOPBACK, self._port)) == 0


@contextmanager
def stopped_after(server: Server) -> Iterator[Server]:
    """Stops the server when the block ends."""
    try:
        yield server
    finally:
        server.stop()
