"""Forks a process for each document, reports how it ended, and ends all of them when the service is gone.

Run as `python -m weft_retrieval.document_processes.fork_server WINDOW_TOKENS [TOKENIZER]`, with a socket as its
standard input. It reads no document itself, and has one thread only, or a fork could inherit a lock that nobody opens.
"""

import gc
import logging
import os
import selectors
import signal
import socket
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Final, NoReturn

from weft_retrieval.document_processes import confinement
from weft_retrieval.document_processes.control import COMMAND, FORK, NOT_FORKED, OUT_OF_MEMORY, REPORT
from weft_retrieval.document_processes.messages import HEADER, Broken, Task, decoder, encoded
from weft_retrieval.document_processes.priority import yield_to
from weft_retrieval.document_processes.reading import Reading, reading

_LONGEST_TRACEBACK: Final = 8000


def serve(read: Reading) -> None:
    """Serves until the service at the other end of standard input is gone."""
    yield_to(os.getppid())
    # A signal to the service may also reach its children; they end when the service does.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    logging.disable()
    gc.collect()
    gc.freeze()
    _ForkServer(read).run()


class _ForkServer:
    def __init__(self, read: Reading) -> None:
        self._read = read
        self._control = socket.socket(fileno=0)
        self._children: dict[int, int] = {}
        self._child_ended, writer = os.pipe()
        os.set_blocking(writer, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)

    def run(self) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._control, selectors.EVENT_READ, self._execute)
            selector.register(self._child_ended, selectors.EVENT_READ, self._reap)
            self._report(0, 0)
            try:
                serving = True
                while serving:
                    for key, _ in selector.select():
                        serving = key.data() and serving
            except ConnectionError:
                return  # the service left without hearing all
            finally:
                for pid in self._children.values():
                    os.kill(pid, signal.SIGKILL)

    def _execute(self) -> bool:
        """Does what the service asks for; False when the service is gone."""
        command, sockets, *_ = socket.recv_fds(self._control, COMMAND.size, 1)
        while command and len(command) < COMMAND.size and (more := self._control.recv(COMMAND.size - len(command))):
            command += more
        if len(command) < COMMAND.size:
            return False
        what, number, memory_bytes = COMMAND.unpack(command)
        if what == FORK:
            self._fork(number, sockets[0], lambda: confinement.limit(memory_bytes))
        elif number in self._children:
            os.kill(self._children[number], signal.SIGKILL)
        return True

    def _fork(self, number: int, document: int, confine: Callable[[], None]) -> None:
        server = os.getpid()
        try:
            pid = os.fork()
        except OSError:
            self._report(number, NOT_FORKED)
        else:
            if not pid:
                _run_child(self._read, document, server, confine)
            self._children[number] = pid
        finally:
            os.close(document)

    def _reap(self) -> bool:
        os.read(self._child_ended, 4096)
        for number, pid in list(self._children.items()):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                del self._children[number]
                self._report(number, status)
        return True

    def _report(self, number: int, status: int) -> None:
        self._control.sendall(REPORT.pack(number, status))


def _run_child(read: Reading, document: int, server: int, confine: Callable[[], None]) -> NoReturn:
    """Returns the main function of a process for documents."""
    status = 1
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        confinement.die_with(server)
        with socket.socket(fileno=confinement.keep_only(document)) as service:
            confine()
            _answer(read, service)
        status = 0
    except MemoryError:
        status = OUT_OF_MEMORY
    finally:
        os._exit(status)


def _answer(read: Reading, service: socket.socket) -> None:
    """Reads one document after another, until the service has no more."""
    with service.makefile("rb") as received, service.makefile("wb") as said:
        while header := received.read(HEADER.size):
            decode, size = decoder(header)
            task = decode(received.read(size))
            assert isinstance(task, Task)  # noqa: S101 - the service says nothing else
            confinement.limit_time(task.cpu_s)
            content = received.read(task.content_bytes)
            try:
                for message in read(task.order, content):
                    said.write(encoded(message))
            except MemoryError:
                raise
            except Exception:  # noqa: BLE001 - the service logs it; here nobody would see it
                said.write(encoded(Broken(traceback.format_exc()[-_LONGEST_TRACEBACK:])))
            said.flush()


if __name__ == "__main__":
    serve(reading(Path(sys.argv[2]) if len(sys.argv) > 2 else None, int(sys.argv[1])))
