"""What every server can do: prepare its folder, start, answer, stop."""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Protocol, TypeVar

from weft_compose.child import Child, Command
from weft_compose.errors import PartFailed
from weft_compose.ports import free_ports
from weft_compose.servers.password import password_in
from weft_compose.servers.runner import give
from weft_kit.atomic_file import replace_text

_POLL_S = 0.02


class EmbeddedServer(ABC):
    """One server on one loopback port over one data folder. It asks whoever connects for its password."""

    name: str

    def __init__(self, folder: Path, port: int, log: Path | None = None, password_file: Path | None = None) -> None:
        # As the kernel sees it: a server names its folder without dots and links when it is asked for it.
        self.folder = folder.resolve()
        self.port = port
        self.log = log or self.folder.with_suffix(".log")
        self.child: Child | None = None
        self._password_file = password_file or self.folder.with_suffix(".password")

    @cached_property
    def password(self) -> str:
        """What clients must know; kept beside the folder, so that the server cannot read more than it is told."""
        return password_in(self._password_file)

    @property
    @abstractmethod
    def url(self) -> str:
        """Where clients connect, with the password."""

    @property
    def ports(self) -> tuple[int, ...]:
        """Everything it listens on."""
        return (self.port,)

    def prepare(self) -> None:
        """Makes the data folder ready to start on. A repeat does nothing."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name, text in self.files().items():
            replace_text(self.folder / name, text, mode=0o600)
        give(self.folder)

    def files(self) -> dict[str, str]:
        """Returns what the server reads from its folder, by name; not from its command, which everybody may read."""
        return {}

    @abstractmethod
    def command(self) -> Command:
        """What runs the server.

        Raises:
            MissingPart: its wheel is not installed.
        """

    @abstractmethod
    def greet(self) -> bool:
        """Connects as a client would and makes sure that it is this server which answers.

        A stranger may sit on the port that our own process is about to fail to bind. False, or OSError, while the
        server is not ready.
        """

    def settle(self) -> None:  # noqa: B027 - most servers need none
        """Brings a server that answers to the state its clients expect. A repeat does nothing."""

    def start(self) -> None:
        """Starts the process without waiting for it; on the main thread, see Child."""
        self.child = Child(self.command())

    def wait_ready(self, timeout_s: float = 20.0) -> None:
        """Blocks until the server answers.

        Raises:
            PartFailed: it ended, or did not answer in time.
        """
        if self.child is None:
            raise PartFailed(f"{self.name} was not started")
        give_up = time.monotonic() + timeout_s
        while not self._answers():
            self.child.ensure_running()
            if time.monotonic() > give_up:
                where = f"{self.name} did not answer on port {self.port} within {timeout_s:.0f} s"
                raise PartFailed(f"{where}:{self.child.last_words()}\n(its log is {self.log})")
            time.sleep(_POLL_S)
        self.settle()

    def stop(self) -> None:
        """Stops the process if it runs."""
        if self.child is not None:
            self.child.stop()

    def kill(self) -> None:
        """Kills the process if it runs; it may start again on what its folder holds."""
        if self.child is not None:
            self.child.kill()

    def _answers(self) -> bool:
        try:
            return self.greet()
        except OSError:
            return False


class Startable(Protocol):
    """A server, or several that are one."""

    def prepare(self) -> None: ...
    def start(self) -> None: ...
    def wait_ready(self) -> None: ...
    def stop(self) -> None: ...


S = TypeVar("S", bound=Startable)


@contextmanager
def serving(make: Callable[[int], S]) -> Iterator[S]:
    """Runs a server on a free port until left."""
    (port,) = free_ports(1)
    server = make(port)
    server.prepare()
    server.start()
    try:
        server.wait_ready()
        yield server
    finally:
        server.stop()
