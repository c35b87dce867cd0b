"""Resolves names to addresses, in its own threads."""

import asyncio
import socket
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Self


class Resolver:
    """Resolves up to `at_once` names at the same time.

    A lookup cannot be interrupted: it occupies its thread until the system's resolver gives up. In the process's shared
    threads, one tenant's dead name servers could block everyone's lookups. Here a caller awaits each lookup to its end,
    so a limit on callers also limits the threads.
    """

    def __init__(self, at_once: int) -> None:
        self._threads = ThreadPoolExecutor(at_once, thread_name_prefix="webhook-resolver")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def resolve(self, host: str, port: int) -> list[str]:
        """Returns every address of a host, the best first. Raises OSError when there is none."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, _look_up, host, port)


def _look_up(host: str, port: int) -> list[str]:
    # As bytes: text would pass through a codec that raises for names it finds too long.
    found = socket.getaddrinfo(host.encode(), port, type=socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in found]
