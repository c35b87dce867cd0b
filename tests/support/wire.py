"""A TCP connection that tests cut and mend."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from weft_compose.ports import free_ports


@dataclass
class Wire:
    """A TCP connection to a server, as a cable that can be pulled out and put back; what comes back takes `lag_s`."""

    host: str
    port: int
    lag_s: float = 0.0
    _server: asyncio.Server | None = None
    _pumps: set[asyncio.Task[None]] = field(default_factory=set)
    local_port: int = 0

    async def mend(self) -> None:
        # It comes back to the same port, which nobody else may take meanwhile.
        self.local_port = self.local_port or free_ports(1)[0]
        self._server = await asyncio.start_server(self._join, "127.0.0.1", self.local_port)

    async def cut(self) -> None:
        if self._server:
            self._server.close()
        for pump in tuple(self._pumps):
            pump.cancel()
        await asyncio.gather(*self._pumps, return_exceptions=True)

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection(self.host, self.port)
        for work in (self._pump(reader, far_writer), self._pump(far_reader, writer, lags=True)):
            pump = asyncio.create_task(work)
            self._pumps.add(pump)
            pump.add_done_callback(self._pumps.discard)

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, lags: bool = False) -> None:
        try:
            while data := await source.read(65536):
                await asyncio.sleep(self.lag_s if lags else 0)
                sink.write(data)
                await sink.drain()
        except OSError:
            pass
        finally:
            sink.close()


@asynccontextmanager
async def wired(url: str) -> AsyncIterator[tuple[Wire, str]]:
    """Puts a wire before the server at a URL, and gives it with the URL of its near end."""
    parts = urlsplit(url)
    wire = Wire(parts.hostname or "", parts.port or 0)
    await wire.mend()
    try:
        yield wire, url.replace(f":{parts.port}", f":{wire.local_port}", 1)
    finally:
        await wire.cut()
