"""A TCP proxy before a server, whose connections tests cut, reset, stall and slow down."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, Self
from urllib.parse import urlsplit

from weft_compose.ports import LOOPBACK, free_ports

End = tuple[asyncio.StreamReader, asyncio.StreamWriter]

_CHUNK_BYTES = 1 << 16
# To linger, for no time: closing then resets.
_RESET = struct.pack("ii", 1, 0)


class TcpProxy:
    """Passes bytes on to a server, both ways. Its port stays the same while it is cut; answers take `lag_s`."""

    def __init__(self, host: str, port: int, local_port: int = 0) -> None:
        self.lag_s = 0.0
        # Nobody else may take the port while the proxy is cut.
        self.local_port = local_port or free_ports(1)[0]
        self._far = host, port
        self._server: asyncio.Server | None = None
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._ends: set[asyncio.StreamWriter] = set()
        self._calls: set[asyncio.Task[None]] = set()

    @property
    def address(self) -> str:
        return f"{LOOPBACK}:{self.local_port}"

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[Self]:
        await self.mend()
        try:
            yield self
        finally:
            await self.cut()

    async def mend(self) -> None:
        """Listens, at first or again."""
        self._server = await asyncio.start_server(self._accept, LOOPBACK, self.local_port)

    async def cut(self) -> None:
        """Ends every connection, and refuses new ones until `mend`."""
        if self._server:
            self._server.close()
        calls = tuple(self._calls)
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)

    def reset(self) -> None:
        """Resets every connection that is open now; new ones may come."""
        for end in (end for end in self._ends if not end.is_closing()):
            end.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            end.transport.abort()

    def stall(self) -> None:
        """Lets nothing pass, new connections included, until `flow`."""
        self._flowing.clear()

    def flow(self) -> None:
        self._flowing.set()

    async def _accept(self, near_reader: asyncio.StreamReader, near: asyncio.StreamWriter) -> None:
        call = asyncio.current_task()
        assert call is not None
        self._calls.add(call)
        self._ends.add(near)
        try:
            await self._flowing.wait()
            far_reader, far = await asyncio.open_connection(*self._far)
            self._ends.add(far)
            try:
                await self._pass_on((near_reader, near), (far_reader, far))
            finally:
                self._ends.discard(far)
                far.transport.abort()
        except OSError:
            pass  # nobody listens there at the moment: the near side sees its connection end
        except asyncio.CancelledError:
            pass  # cut; asyncio 3.11 logs a connection whose task ends as cancelled
        finally:
            self._ends.discard(near)
            self._calls.discard(call)
            near.transport.abort()

    async def _pass_on(self, near: End, far: End) -> None:
        """Passes on what either side sends; returns when one of them has closed."""
        pumps = [asyncio.create_task(pump) for pump in self._pumps(near, far)]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)

    def _pumps(self, near: End, far: End) -> Sequence[Coroutine[Any, Any, None]]:
        """Returns what carries bytes from the near end to the far one, and back."""
        return self._pump(near[0], far[1]), self._pump(far[0], near[1], answers=True)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, answers: bool = False) -> None:
        with suppress(OSError):
            while data := await reader.read(_CHUNK_BYTES):
                await asyncio.sleep(self.lag_s if answers else 0)
                await self._flowing.wait()
                writer.write(data)
                await writer.drain()
            # What was passed on last must arrive before the connection goes.
            writer.close()
            await writer.wait_closed()


@asynccontextmanager
async def proxied(url: str) -> AsyncIterator[tuple[TcpProxy, str]]:
    """Puts a proxy before the server at a URL, and gives it with the URL of its near end."""
    parts = urlsplit(url)
    async with TcpProxy(parts.hostname or "", parts.port or 0).listening() as proxy:
        yield proxy, url.replace(f":{parts.port}", f":{proxy.local_port}", 1)
