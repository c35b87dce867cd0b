"""One client connection: requests come in, answers go out, one at a time, until the client leaves."""

import asyncio
import socket
import struct
from collections import deque
from collections.abc import Awaitable, Callable
from typing import cast

from weft_mock.wire import HttpRequest, RequestReader

_LINGER_NOT = struct.pack("ii", 1, 0)  # closing then sends RST instead of FIN


class MockConnection(asyncio.Protocol):
    """Reads requests and answers them one at a time; cancels the answer when the client leaves."""

    def __init__(
        self,
        answer: Callable[[HttpRequest, "MockConnection"], Awaitable[None]],
        opened: Callable[["MockConnection"], None],
        closed: Callable[["MockConnection"], None],
    ) -> None:
        self._answer, self._opened, self._closed = answer, opened, closed
        self._reader = RequestReader()
        self._waiting: deque[HttpRequest] = deque()
        self._task: asyncio.Task[None] | None = None
        self.closed_by_us = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Counts the connection."""
        self._transport = cast("asyncio.Transport", transport)
        self._opened(self)

    def data_received(self, data: bytes) -> None:
        """Starts an answer when a request is complete."""
        try:
            self._waiting.extend(self._reader.feed(data))
        except ValueError:
            self.close()
            return
        self._answer_next()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """Stops the answer: it has no reader any more."""
        self._waiting.clear()
        if self._task is not None:
            self._task.cancel()
        self._closed(self)

    def write(self, data: bytes) -> None:
        """Sends bytes."""
        self._transport.write(data)

    def close(self) -> None:
        """Ends the connection with FIN."""
        self.closed_by_us = True
        self._transport.close()

    def reset(self) -> None:
        """Ends the connection with RST."""
        self.closed_by_us = True
        self._transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
        self._transport.abort()

    def _answer_next(self) -> None:
        if self._task is None and self._waiting:
            self._task = asyncio.ensure_future(self._serve(self._waiting.popleft()))

    async def _serve(self, request: HttpRequest) -> None:
        try:
            await self._answer(request, self)
        finally:
            self._task = None
            self._answer_next()
