"""The service's side of the fork server: starts it, has it fork and kill, and learns how its processes ended."""

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self, TypeAlias

import structlog

from weft_kit.rpc.errors import CannotStart, Overloaded
from weft_kit.tasks import TaskSet
from weft_retrieval.document_processes.control import COMMAND, FORK, KILL, REPORT

ForkServerCommand: TypeAlias = Callable[[Path | None, int], Sequence[str]]
"""Returns the command of a fork server, from the tokenizer's file and a window's size in tokens."""

_START_LIMIT_S: Final = 60.0
_GOODBYE_LIMIT_S: Final = 1.0
_PASSED_ON: Final = ("PATH", "PYTHONPATH", "PYTHONHOME", "LD_LIBRARY_PATH")
"""What Python may need to find itself. The rest of the environment contains secrets and is not passed on."""
# A library that starts threads of its own would be forked in the midst of their work.
_ONE_THREAD: Final = {
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "PYTHONUTF8": "1",
}
_LOST: Final = "the server that starts processes for documents is gone; it is started again: retry"


class ServerLost(Exception):
    """The fork server ended, and its processes with it; no document is to blame."""


class ForkedProcess:
    """A process that waits for a document."""

    def __init__(
        self, number: int, exited: asyncio.Future[int], said: asyncio.StreamReader, told: asyncio.StreamWriter
    ) -> None:
        self.number = number
        self.exited = exited
        """Its wait status, once it has ended; ServerLost if that is not known."""
        self.idle = True
        """Whether it owes no answer, and so may get another document."""
        self.said = said
        self.told = told


class ForkClient:
    """Runs a fork server while its context lasts; a lost one is started again when it is needed."""

    def __init__(self, command: Sequence[str]) -> None:
        self._command = command
        self._server: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._heard = b""
        self._exits: dict[int, asyncio.Future[int]] = {}
        self._last = 0
        self._starting = asyncio.Lock()
        self._ending = TaskSet()
        """Waits for servers that were dropped: a child that nobody waits for stays a zombie."""

    async def __aenter__(self) -> Self:
        try:
            await self._start()
        except (OSError, ServerLost, TimeoutError) as error:
            self._lose()
            await self._ending.finish()
            why = f" ({error})" if str(error) else ""
            raise CannotStart(f"what forks processes for documents did not start{why}; it said why before") from error
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lose()
        await self._ending.finish()

    async def fork(self, memory_bytes: int) -> ForkedProcess:
        """Starts a process; raises Overloaded when the server has to be started first, and cannot be."""
        async with self._starting:
            if self._control is None:
                try:
                    await self._start()
                except (OSError, ServerLost, TimeoutError) as error:
                    self._lose()
                    raise Overloaded(_LOST, retry_after_s=1.0) from error
        ours, theirs = socket.socketpair()
        with theirs:
            said, told = await asyncio.open_unix_connection(sock=ours)
            self._last += 1
            child = ForkedProcess(self._last, self._expected(self._last), said, told)
            self._command_server(COMMAND.pack(FORK, child.number, memory_bytes), theirs.fileno())
        return child

    def kill(self, child: ForkedProcess) -> None:
        """Kills a process, unless it has ended."""
        child.told.close()
        if not child.exited.done():
            self._command_server(COMMAND.pack(KILL, child.number, 0))

    async def _start(self) -> None:
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        with theirs:
            self._server = subprocess.Popen(  # noqa: ASYNC220 - a few milliseconds, and seldom
                self._command,
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                env={name: os.environ[name] for name in _PASSED_ON if name in os.environ} | _ONE_THREAD,
                cwd="/",
                start_new_session=True,
            )
        self._control, self._heard = ours, b""
        ready = self._expected(0)
        asyncio.get_running_loop().add_reader(ours.fileno(), self._hear, ours)
        async with asyncio.timeout(_START_LIMIT_S):
            await ready

    def _expected(self, number: int) -> asyncio.Future[int]:
        exited = self._exits[number] = asyncio.get_running_loop().create_future()
        # Nobody may be left who wants to know.
        exited.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
        return exited

    def _command_server(self, command: bytes, *descriptors: int) -> None:
        if self._control is None:
            return
        try:
            socket.send_fds(self._control, [command], descriptors)
        except OSError:
            self._lose()

    def _hear(self, control: socket.socket) -> None:
        try:
            said = control.recv(64 * 1024)
        except BlockingIOError:
            return
        except OSError:
            said = b""
        if not said:
            structlog.get_logger().warning("fork server lost", processes=len(self._exits))
            self._lose()
            return
        self._heard += said
        whole = len(self._heard) // REPORT.size * REPORT.size
        for number, status in REPORT.iter_unpack(self._heard[:whole]):
            if (exited := self._exits.pop(number, None)) and not exited.done():
                exited.set_result(status)
        self._heard = self._heard[whole:]

    def _lose(self) -> None:
        """Drops the server, which takes its processes with it once it notices."""
        if self._control:
            asyncio.get_running_loop().remove_reader(self._control.fileno())
            self._control.close()
            self._control = None
        server, self._server = self._server, None
        if server:
            self._ending.start(asyncio.to_thread(_wait, server))
        for exited in self._exits.values():
            if not exited.done():
                exited.set_exception(ServerLost())
        self._exits.clear()


def fork_server(tokenizer: Path | None, window_tokens: int) -> list[str]:
    """Returns the command of a fork server whose processes read documents."""
    module = "weft_retrieval.document_processes.fork_server"
    return [sys.executable, "-P", "-m", module, str(window_tokens), *([str(tokenizer)] if tokenizer else [])]


def _wait(server: "subprocess.Popen[bytes]") -> None:
    try:
        server.wait(_GOODBYE_LIMIT_S)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()
