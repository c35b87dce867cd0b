"""An HTTP server that answers with the very bytes it was given."""

import asyncio
import json
import ssl
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

EVENTS = "text/event-stream; charset=utf-8"
JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Asked:
    """One request as it came."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True, slots=True)
class Reply:
    """One response: `body` is sent as it is, with its length."""

    status: int = 200
    content_type: str = JSON
    body: bytes = b"{}"
    headers: dict[str, str] = field(default_factory=dict)

    def raw(self, *, with_body: bool) -> bytes:
        headers = {"content-type": self.content_type, "content-length": str(len(self.body))} | self.headers
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        return f"HTTP/1.1 {self.status} X\r\n{head}\r\n".encode() + (self.body if with_body else b"")


class ScriptedServer:
    """Gives the replies in their order, and the last of them again and again; HEAD is answered and not counted."""

    def __init__(self, *replies: Reply | bytes) -> None:
        self._replies = deque(replies or (Reply(),))
        self.asked: list[Asked] = []
        self.heads: asyncio.Queue[Asked] = asyncio.Queue()
        self.connections = 0
        self._open: set[asyncio.StreamWriter] = set()

    @asynccontextmanager
    async def running(self, tls: ssl.SSLContext | None = None) -> AsyncIterator[str]:
        """Serves while entered; gives the base URL."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=tls)
        port = server.sockets[0].getsockname()[1]
        try:
            yield f"{'https' if tls else 'http'}://127.0.0.1:{port}/v1"
        finally:
            server.close()
            for writer in list(self._open):
                writer.transport.abort()
            await server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._open.add(writer)
        try:
            while True:
                await self._answer(await _read(reader), writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()
        finally:
            self._open.discard(writer)

    async def _answer(self, asked: Asked, writer: asyncio.StreamWriter) -> None:
        if asked.method == "HEAD":
            self.heads.put_nowait(asked)
            writer.write(Reply(404).raw(with_body=False))
            return
        self.asked.append(asked)
        reply = self._replies.popleft() if len(self._replies) > 1 else self._replies[0]
        writer.write(reply if isinstance(reply, bytes) else reply.raw(with_body=True))
        await writer.drain()


async def _read(reader: asyncio.StreamReader) -> Asked:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    line, *lines = head.strip().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (each.partition(":") for each in lines)}
    method, target, _ = line.split()
    return Asked(method, target, headers, await reader.readexactly(int(headers.get("content-length", 0))))
