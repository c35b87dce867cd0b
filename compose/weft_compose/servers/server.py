"""The life of a server: prepare its folder, start, answer, stop."""

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
    """A server on a loopback port with a data folder and a password."""

    name: str

    def __init__(self, folder: Path, port: int, log: Path | None = None, password_file: Path | None = None) -> None:
        # As the kernel sees it: a server reports its folder without dots and links.
        self.folder = folder.resolve()
        self.port = port
        self.log = log or self.folder.with_suffix(".log")
        self.child: Child | None = None
        self._password_file = password_file or self.folder.with_suffix(".password")

    @cached_property
    def password(self) -> str:
        """The password for clients; kept outside the folder, so that the server cannot read it from there."""
        return password_in(self._password_file)

    @property
    @abstractmethod
    def url(self) -> str:
        """The URL for clients, with the password."""

    @property
    def ports(self) -> tuple[int, ...]:
        """All ports it listens on."""
        return (self.port,)

    def prepare(self) -> None:
        """Prepares the data folder for a start. A repeat does nothing."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name, text in self.files().items():
            replace_text(self.folder / name, text, mode=0o600)
        give(self.folder)

    def files(self) -> dict[str, str]:
        """Returns the server's configuration files, by name: everybody may read its command, so secrets are here."""
        return {}

    @abstractmethod
    def command(self) -> Command:
        """Returns the command that runs the server.

        Raises:
            MissingPart: its wheel is not installed.
        """

    @abstractmethod
    def greet(self) -> bool:
        """Connects like a client and returns whether this server answers and is ready; may raise OSError otherwise.

        Another process may hold the port that our own is about to fail to bind.
        """

    def settle(self) -> None:  # noqa: B027 - most servers need none
        """Brings a server that answers into the state that its clients expect. A repeat does nothing."""

    def start(self) -> None:
        """Starts the process without waiting for it. Call it on the main thread, see Child."""
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
        """Kills the process if it runs; it may be started again with its folder."""
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
    """Runs a server on a free port while the context lasts."""
    (port,) = free_ports(1)
    server = make(port)
    server.prepare()
    server.start()
    try:
        server.wait_ready()
        yield server
    finally:
        server.stop()
