"""A publisher that batches by itself: the first token is written at once, later ones are collected during a write.

The cost is per message, not per token: while one publish waits for its ack, or for the rest of the flush interval,
tokens are collected, and the next publish takes them all.
"""

import asyncio
from types import TracebackType
from typing import Protocol, Self

from weft.job.v1 import event_pb2
from weft_kit.joblog.events.sizes import pieces

# A provider may be faster than the log for a while; memory is bounded all the same.
ROOM_BYTES = 1024 * 1024


class TokenSink(Protocol):
    """Where tokens go: a job's log, or something that passes them on to one."""

    async def append(self, step: event_pb2.Delta, /) -> int: ...


class TokenWriter:
    """Collects deltas of one attempt and commits them in order. Leaving the context stops it without flushing."""

    def __init__(self, writer: TokenSink, flush_interval_s: float) -> None:
        self._writer = writer
        self._interval = flush_interval_s
        self._pending = event_pb2.Delta()
        self._size = 0
        self._arrived = asyncio.Event()
        self._has_room = asyncio.Event()
        self._has_room.set()
        self._finishing = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._publish())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._task:
            self._task.cancel()
            await asyncio.wait((self._task,))

    def add(self, delta: event_pb2.Delta) -> None:
        """Takes tokens without waiting. Raises Fenced (or what else broke the publisher) once it is broken."""
        self._raise_if_broken()
        self._pending.text += delta.text
        if delta.reasoning:
            self._pending.reasoning += delta.reasoning
        self._pending.token_count += delta.token_count
        self._pending.tool_calls.extend(delta.tool_calls)
        self._size += delta.ByteSize()
        if self._size > ROOM_BYTES:
            self._has_room.clear()
        self._arrived.set()

    async def room(self) -> None:
        """Waits until the log has caught up enough to accept more."""
        await self._has_room.wait()
        self._raise_if_broken()

    async def finish(self) -> None:
        """Commits what is left and returns once it is durable. Raises Fenced when another attempt has taken over."""
        self._finishing.set()
        self._arrived.set()
        if self._task:
            await self._task

    def _raise_if_broken(self) -> None:
        if self._task and self._task.done() and (error := self._task.exception()):
            raise error

    async def _publish(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while self._size or not self._finishing.is_set():
                if not self._size:
                    self._arrived.clear()
                    await self._arrived.wait()
                    continue
                started = loop.time()
                for piece in pieces(self._take()):
                    await self._writer.append(piece)
                await self._pause(started + self._interval - loop.time())
        finally:
            # A caller that waits for room must return and see that the publisher is gone.
            self._has_room.set()

    def _take(self) -> event_pb2.Delta:
        taken, self._pending, self._size = self._pending, event_pb2.Delta(), 0
        self._has_room.set()
        return taken

    async def _pause(self, seconds: float) -> None:
        """Waits out the flush interval, unless the end comes first."""
        if self._finishing.is_set() or seconds <= 0:
            return
        try:
            async with asyncio.timeout(seconds):
                await self._finishing.wait()
        except TimeoutError:
            return
