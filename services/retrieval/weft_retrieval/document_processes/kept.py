"""Processes that wait briefly for their tenant's next document: small ones are read faster than a process is forked."""

import asyncio
from collections.abc import Callable
from typing import Final

from weft_retrieval.document_processes.fork_client import ForkedProcess

_WAIT_S: Final = 5.0


class KeptProcesses:
    """Up to `most` processes without a document, each for one tenant only."""

    def __init__(self, most: int, kill: Callable[[ForkedProcess], None]) -> None:
        self._most = most
        self._kill = kill
        self._waiting: dict[ForkedProcess, tuple[str, asyncio.TimerHandle]] = {}

    def take(self, tenant: str) -> ForkedProcess | None:
        """Returns a process that has read documents of this tenant, and of no other."""
        for child, (whose, _) in self._waiting.items():
            if whose == tenant and not child.exited.done():
                self._let_go(child)
                return child
        return None

    def keep(self, tenant: str, child: ForkedProcess) -> None:
        """Keeps a process until it is taken, its time is over, or there are too many."""
        if len(self._waiting) == self._most:
            self._end(next(iter(self._waiting)))
        self._waiting[child] = tenant, asyncio.get_running_loop().call_later(_WAIT_S, self._end, child)

    def end(self) -> None:
        """Ends all of them."""
        for child in list(self._waiting):
            self._end(child)

    def _end(self, child: ForkedProcess) -> None:
        self._let_go(child)
        self._kill(child)

    def _let_go(self, child: ForkedProcess) -> None:
        _, timer = self._waiting.pop(child)
        timer.cancel()
