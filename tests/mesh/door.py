"""The way into the mesh under test."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from weft_client.client import WeftClient


@dataclass(frozen=True)
class Door:
    """Where the mesh answers, with two tenants' keys and the operator's token."""

    endpoint: str
    key: str
    other_key: str
    operator_token: str
    inference: str
    state: Path

    def client(self) -> WeftClient:
        return WeftClient(self.endpoint, self.key)

    def other_tenant(self) -> WeftClient:
        return WeftClient(self.endpoint, self.other_key)


async def until(condition: Callable[[], Awaitable[bool]], limit_s: float = 10.0) -> None:
    """Waits for something another process does on its own time, and that nobody announces."""
    async with asyncio.timeout(limit_s):
        while not await condition():  # noqa: ASYNC110 - the event is in another process
            await asyncio.sleep(0.05)
