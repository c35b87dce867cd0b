"""Services of Weft as processes that can be killed, frozen, drained and started again at the same address."""

import asyncio
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from weft_compose import health
from weft_compose.child import Child, Command

START_LIMIT_S = 90.0
STOP_LIMIT_S = 20.0


@dataclass
class Service:
    """One process of one service. `address` is empty for roles that serve nobody: those count as started at once."""

    name: str
    argv: Sequence[str]
    env: Mapping[str, str]
    log: Path
    address: str = ""
    child: Child | None = None

    @property
    def is_running(self) -> bool:
        return self.child is not None and self.child.exit_code is None

    async def start(self) -> None:
        """Starts it unless it runs, and returns once it serves."""
        if self.is_running:
            return
        child = self.spawn()
        if not self.address:
            return
        serving = asyncio.create_task(health.until_serving(self.address))
        ended = asyncio.create_task(health.ended(child))
        try:
            await asyncio.wait((serving, ended), timeout=START_LIMIT_S, return_when=asyncio.FIRST_COMPLETED)
            child.ensure_running()
            assert serving.done(), f"{self.name} does not serve after {START_LIMIT_S} s:{child.last_words()}"
        finally:
            serving.cancel()
            ended.cancel()

    def spawn(self) -> Child:
        """Starts it without waiting."""
        argv = [sys.executable, "-m", *self.argv]
        self.child = Child(Command(name=self.name, argv=argv, log=self.log, env=self.env))
        return self.child

    def kill(self) -> None:
        """SIGKILL; it is gone on return."""
        if self.child:
            self.child.kill()

    def pause(self) -> None:
        """SIGSTOP."""
        if self.child:
            self.child.pause()

    def resume(self) -> None:
        """SIGCONT."""
        if self.child:
            self.child.resume()

    async def stop(self) -> int | None:
        """SIGTERM; returns the exit code once it has ended by itself, or was killed because it did not."""
        if self.child is None:
            return None
        await asyncio.to_thread(self.child.stop, STOP_LIMIT_S)
        return self.child.exit_code
