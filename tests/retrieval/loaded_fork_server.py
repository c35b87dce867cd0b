"""Fork servers that start at once: they are forked from a process that has loaded what they need.

A fork server loads parsers and word lists for a second of CPU time, and nearly every test of retrieval starts one. This
program forks one for each connection to the socket that is its standard input. `connect_fork_server.py` is the command
that a service starts in place of one, and lives as long.
"""

import os
import signal
import socket
from functools import lru_cache
from pathlib import Path
from typing import NoReturn

from weft_retrieval.document_processes import confinement
from weft_retrieval.document_processes.fork_server import serve
from weft_retrieval.document_processes.reading import Reading, reading

_LONGEST = 4096


def run() -> None:
    """Serves until the tests that started it are gone."""
    confinement.die_with(os.getppid())
    # The kernel sees to those that end: nobody asks how.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    listener = socket.socket(fileno=0)
    while True:
        connection, _ = listener.accept()
        with connection:
            order, [control], *_ = socket.recv_fds(connection, _LONGEST, 1)
            read = _loaded(*order.decode().split("\0"))
            if os.fork() == 0:
                _become(control, read)
            os.close(control)


@lru_cache
def _loaded(window_tokens: str, tokenizer: str) -> Reading:
    return reading(Path(tokenizer) if tokenizer else None, int(window_tokens))


def _become(control: int, read: Reading) -> NoReturn:
    """Serves as a fork server does. The connection ends with the process, which tells the one who asked for it."""
    try:
        os.setsid()
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.dup2(control, 0)
        os.close(control)
        serve(read)
    finally:
        os._exit(0)


if __name__ == "__main__":
    run()
