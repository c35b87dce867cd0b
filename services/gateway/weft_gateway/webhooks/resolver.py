"""Names into addresses, in threads of its own."""

import asyncio
import socket
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Self


class Resolver:
    """Resolves up to `at_once` names at the same time.

    A lookup cannot be cut short: its thread is taken until the system's resolver gives up. In the threads all of the
    process shares, one tenant's dead name servers could hold everybody's lookups; here a caller awaits each lookup to
    its end, so whoever bounds the callers bounds the threads.
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
        """Every address of a host, the best first. Raises OSError when there is none."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, _look_up, host, port)


def _look_up(host: str, port: int) -> list[str]:
    # As bytes: text would pass through a codec that raises for names it finds too long.
    found = socket.getaddrinfo(host.encode(), port, type=socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in found]
