"""A link between two parts that can be cut and stalled."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

_CHUNK_BYTES = 1 << 16
# To linger, for no time: closing then resets.
_RESET = struct.pack("ii", 1, 0)


class Link:
    """Listens on a port of its own and passes bytes to another one, both ways."""

    def __init__(self, name: str, far: str) -> None:
        self.name = name
        self.address = ""
        self._far = far.rsplit(":", 1)
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._ends: set[asyncio.StreamWriter] = set()
        self._calls: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def listening(self) -> AsyncIterator["Link"]:
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        try:
            yield self
        finally:
            server.close()
            for call in self._calls:
                call.cancel()
            await asyncio.gather(*self._calls, return_exceptions=True)

    def cut(self) -> None:
        """Resets every connection that is open now."""
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
                await self._pass_on((near_reader, far), (far_reader, near))
            finally:
                self._ends.discard(far)
                far.transport.abort()
        except OSError:
            pass  # nobody listens there at the moment: the near side sees its connection end
        finally:
            self._ends.discard(near)
            self._calls.discard(call)
            near.transport.abort()

    async def _pass_on(self, *ways: tuple[asyncio.StreamReader, asyncio.StreamWriter]) -> None:
        """Returns when either side has closed."""
        pumps = [asyncio.create_task(self._pump(*way)) for way in ways]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(_CHUNK_BYTES):
                await self._flowing.wait()
                writer.write(data)
                await writer.drain()
            # What was passed on last must arrive before the connection goes.
            writer.close()
            await writer.wait_closed()
