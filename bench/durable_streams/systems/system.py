"""The interface of a system that is measured: its readers and writers, its processes, and ways to kill them."""

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
"""Tokens per second of each stream."""
_POLL_S = 0.02
_START_S = 60.0


@dataclass(frozen=True)
class Setup:
    """What a system is started with."""

    folder: Path
    """An empty folder for its data."""
    answers: Sequence[int]
    """The lengths of its answers, in tokens."""
    workers: int = 1
    """The number of processes that write, if the system fails over."""


@dataclass(frozen=True)
class Backlog:
    """A stream that is filled and that nobody has read."""

    stream: str
    records: int
    """The number of records in which the log stores the tokens."""
    asked: Mapping[str, object] = field(default_factory=dict)
    """Further arguments of the reader's command."""


@dataclass(frozen=True)
class Running:
    """A system that runs."""

    reader: Program
    writer: Program | None
    """None if the system's workers write what its reader asks for."""
    processes: Callable[[], Mapping[str, int]]
    """Returns the process ids by the column that shows their CPU."""
    kill_worker: Callable[[], Awaitable[None]]
    kill_server: Callable[[], Awaitable[None]]
    start_server: Callable[[], Awaitable[None]]
    fill: Callable[[str, int], Awaitable[Backlog]]
    """Writes a stream of so many tokens."""


class System(ABC):
    """One system with durable streams."""

    name: str
    fails_over: bool
    """Whether another worker continues the streams of one that died."""
    persistent = True
    """Whether its streams survive a restart of its server."""

    def missing(self) -> str:
        """Returns what has to be installed first, or an empty text."""
        return ""

    @abstractmethod
    def version(self) -> str:
        """Returns the versions of what runs."""

    @abstractmethod
    def running(self, setup: Setup) -> AbstractAsyncContextManager[Running]:
        """Starts the system and stops it with the block."""


class Server:
    """A server process that listens on one port."""

    def __init__(self, command: Command, port: int) -> None:
        self._command = command
        self._port = port
        self._child: Child | None = None

    @property
    def pid(self) -> int:
        return self._running.pid

    async def start(self) -> None:
        """Starts it and returns once it listens.

        Raises:
            PartFailed: it ended, or did not listen in time.
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
