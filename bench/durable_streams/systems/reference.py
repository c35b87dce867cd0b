"""The reference server of Durable Streams on Node, with its own client."""

import json
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from bench.durable_streams.program import program
from bench.durable_streams.systems.system import Backlog, Running, Server, Setup, System, stopped_after

from weft_compose.child import Command
from weft_compose.ports import LOOPBACK, free_ports

_NODE = Path(__file__).resolve().parents[1] / "node"


class ReferenceServer(System):
    """File-backed; an idempotent producer appends over HTTP, readers use server-sent events."""

    name = "Durable Streams"
    fails_over = False

    def missing(self) -> str:
        if shutil.which("node") is None:
            return "Node 20 or later"
        return "" if (_NODE / "node_modules").is_dir() else "its npm packages"

    def version(self) -> str:
        packages = json.loads((_NODE / "package.json").read_text())["dependencies"]
        node = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout.strip()
        return ", ".join([*(f"{name} {number}" for name, number in packages.items()), f"Node {node}"])

    @asynccontextmanager
    async def running(self, setup: Setup) -> AsyncIterator[Running]:
        port, folder = free_ports(1)[0], setup.folder / "streams"
        folder.mkdir()
        node = shutil.which("node") or "node"
        argv = [node, str(_NODE / "server.mjs"), str(port), *([str(folder)] if self.persistent else [])]
        server = Server(Command(name="durable-streams", argv=argv, log=setup.folder / "server.log"), port)
        client = [node, str(_NODE / "client.mjs")]

        async def fill(stream: str, tokens: int) -> Backlog:
            return Backlog(stream, (await writer.ask("fill", stream=stream, tokens=tokens))["records"])

        async with AsyncExitStack() as stack:
            stack.enter_context(stopped_after(server))
            await server.start()
            reader = await stack.enter_async_context(program("reader", client, setup.folder / "reader.log"))
            writer = await stack.enter_async_context(program("writer", client, setup.folder / "writer.log"))
            for each in (reader, writer):
                await each.ask("connect", url=f"http://{LOOPBACK}:{port}")

            def processes() -> dict[str, int]:
                return {"log": server.pid, "worker": writer.pid, "reader": reader.pid}

            yield Running(reader, writer, processes, writer.kill, server.kill, server.start, fill)


class ReferenceServerInMemory(ReferenceServer):
    """In memory, without the fdatasync of every append."""

    name = "Durable Streams, in memory"
    persistent = False
