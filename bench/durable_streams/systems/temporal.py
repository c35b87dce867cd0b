"""Temporal's dev server with Workflow Streams; workers and reader use its Python SDK, in another environment."""

import subprocess
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from bench.durable_streams.program import ROOT, program
from bench.durable_streams.systems.system import Backlog, Running, Server, Setup, System, stopped_after

from weft_compose.child import Command
from weft_compose.ports import LOOPBACK, free_ports

_BIN = ROOT / ".venv-streams" / "bin"
# Tokens per second: slow enough for several signals.
_FILL_RATE = 2000.0


class TemporalStreams(System):
    """A workflow hosts each stream, an activity publishes to it, readers poll it with updates."""

    name = "Temporal Workflow Streams"
    fails_over = True

    def missing(self) -> str:
        return "" if (_BIN / "temporal").exists() else "its Python packages"

    def version(self) -> str:
        asked = [str(_BIN / "temporal"), "--version"]
        return subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()

    @asynccontextmanager
    async def running(self, setup: Setup) -> AsyncIterator[Running]:
        port, http_port, metrics_port = free_ports(3)
        address = f"{LOOPBACK}:{port}"
        server = Server(_dev_server(setup.folder, port, http_port, metrics_port), port)
        client = [str(_BIN / "python"), "-m", "bench.durable_streams.clients.temporal", address]

        async def fill(stream: str, tokens: int) -> Backlog:
            filled = await reader.ask("fill", stream=stream, rate=_FILL_RATE, tokens=tokens)
            return Backlog(stream, filled["records"], {"started": True})

        async with AsyncExitStack() as stack:
            stack.enter_context(stopped_after(server))
            await server.start()
            reader = await stack.enter_async_context(
                program("reader", [*client, "reader"], setup.folder / "reader.log")
            )
            working = [
                await stack.enter_async_context(
                    program(f"worker-{n}", [*client, "worker"], setup.folder / f"worker-{n}.log")
                )
                for n in range(setup.workers)
            ]

            def processes() -> dict[str, int]:
                return {"log": server.pid, "worker": working[-1].pid, "reader": reader.pid}

            yield Running(reader, None, processes, working[-1].kill, server.kill, server.start, fill)


def _dev_server(folder: Path, port: int, http_port: int, metrics_port: int) -> Command:
    ports = ["--port", str(port), "--http-port", str(http_port), "--metrics-port", str(metrics_port)]
    kept = ["--db-filename", str(folder / "temporal.db")]
    argv = [str(_BIN / "temporal"), "server", "start-dev", "--headless", "--ip", LOOPBACK, *ports, *kept]
    return Command(name="temporal", argv=[*argv, "--log-level", "error"], log=folder / "server.log")
