"""Where webhooks arrive, at a receiver that is not always well."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

_TAKEN = b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n"
_REFUSED = b"HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
_REFUSES_EVERY = 3


class Receiver:
    """Remembers the `webhook-id` of what it took, by order; it refuses the first try of every third one."""

    def __init__(self) -> None:
        self.taken: dict[int, list[str]] = defaultdict(list)
        self.url = ""
        self._refused: set[int] = set()

    @asynccontextmanager
    async def listening(self) -> AsyncIterator["Receiver"]:
        server = await asyncio.start_server(self._answer, "127.0.0.1", 0)
        async with server:
            self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/done"
            yield self

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            first, *lines = head.split("\r\n")
            headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
            await reader.readexactly(int(headers["content-length"]))
            writer.write(self._judge(int(first.split()[1].rpartition("/")[2]), headers["webhook-id"]))
            await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass  # the notifier died in the middle of its call
        finally:
            writer.close()

    def _judge(self, order: int, webhook_id: str) -> bytes:
        if order % _REFUSES_EVERY == 0 and order not in self._refused:
            self._refused.add(order)
            return _REFUSED
        self.taken[order].append(webhook_id)
        return _TAKEN
