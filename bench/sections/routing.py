"""Routing: what hedging saves, what a provider's death costs, and the router's CPU for a streamed job."""

import asyncio
import logging
import os
import random
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import psutil
import structlog
from bench.harness.router_environment import ObservedJob, RouterEnvironment, observed_log, router_environment
from bench.report.document import Section
from bench.report.markdown import paragraph, table
from bench.report.samples import quantile

from weft.job.v1 import job_pb2
from weft.router.v1 import router_pb2 as pb
from weft_compose.child import Child, Command
from weft_compose.ports import free_ports, is_free
from weft_mock import MockProvider, Script
from weft_router.config import Config

_TOKENS = 32
_USUAL = Script(first_token_s=0.02, tokens=8)
_SLOW = Script(first_token_s=2.0, tokens=8)
_SLOW_SHARE = 0.05

ABOUT = """\
Jobs come from the log, as a Poisson process, into one router. Hedging: the first provider takes 20 ms to its first
token, but 2 s in 5 % of its calls, drawn at random; the second always takes 20 ms; times are from the submit to the
first token in the log. Death: a provider is closed under load, with its connections, and opened again on the same port;
meanwhile its calls go to a second one. CPU: jobs of 32 tokens, four at a time, next to the same calls made one after
another in a bare loop of httpx."""


async def measure(*, quick: bool) -> Section:
    # The router in this process would write a line per job.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    jobs, calls = (300, 200) if quick else (2000, 1000)
    return Section(
        [
            "## Routing",
            "",
            *paragraph(ABOUT),
            *await _hedging(jobs),
            *await _death(),
            *await _cpu(calls),
        ]
    )


def catalog(first: str, second: str, settings: str = "") -> str:
    return (
        f'[providers.first]\nkind = "openai"\nbase_url = "{first}"\n'
        f'[providers.second]\nkind = "openai"\nbase_url = "{second}"\n'
        '[models.default]\nroutes = [{ provider = "first", model = "m" }, { provider = "second", model = "m" }]\n'
        f"{settings}\n"
    )


async def _hedging(jobs: int) -> list[str]:
    without, _ = await _hedged(jobs, "")
    at_five, few = await _hedged(jobs, "hedge = {}")
    at_seven, more = await _hedged(jobs, "hedge = { share = 0.07 }")
    plain, hedged = (quantile((job.first_token_ms for job in seen), 0.99) for seen in (without, at_seven))
    rows = [
        (name, *(f"{quantile((job.first_token_ms for job in seen), share):.0f}" for share in (0.5, 0.95, 0.99)), calls)
        for name, seen, calls in (
            ("without", without, "0.0 %"),
            ("at most 5 % hedged (default)", at_five, f"{few * 100:.1f} %"),
            ("at most 7 % hedged", at_seven, f"{more * 100:.1f} %"),
        )
    ]
    head = ("", "first token p50, ms", "p95, ms", "p99, ms", "extra calls")
    return ["### Hedging", "", *table(head, rows), f"With 7 % the p99 is 1/{plain / hedged:.0f} of that without.", ""]


async def _hedged(jobs: int, settings: str) -> tuple[list[ObservedJob], float]:
    """Returns the jobs, and the share of calls beyond one per job."""
    scripts = [_SLOW if random.random() < _SLOW_SHARE else _USUAL for _ in range(2 * jobs)]
    first, second = MockProvider(*scripts), MockProvider(_USUAL)
    async with (
        first.running() as url,
        second.running() as other,
        router_environment(catalog(url, other, settings)) as env,
    ):
        seen = await env.load(jobs, per_second=60)
    return seen, (first.stats.requests + second.stats.requests) / jobs - 1


async def _death() -> list[str]:
    port = free_ports(1)[0]
    second = MockProvider(_USUAL)
    async with AsyncExitStack() as first, second.running() as other:
        url = await first.enter_async_context(MockProvider(_USUAL).running(port=port))
        async with router_environment(catalog(url, other)) as env:
            loading = asyncio.create_task(env.load(1200, per_second=100))
            await asyncio.sleep(3)
            await first.aclose()
            opened_s = await _until(env, lambda provider: provider.breaker == pb.Provider.BREAKER_OPEN)
            await asyncio.sleep(3)
            back = MockProvider(_USUAL)
            async with back.running(port=port):
                recovered_s = await _until(env, lambda _: back.stats.finished > 0)
                jobs = await loading
    failed = sum(job.done is None or job.done.state != job_pb2.JOB_STATE_SUCCEEDED for job in jobs)
    again = sum(len(job.done.attempts) > 1 for job in jobs if job.done)
    slowest = quantile((job.first_token_ms for job in jobs), 0.99)
    rows = [
        ("jobs failed", f"{failed} of {len(jobs)}"),
        ("jobs that needed another attempt", str(again)),
        ("breaker open after", f"{opened_s:.2f} s"),
        ("first answer after its return", f"{recovered_s:.2f} s"),
        ("first token p99 over all", f"{slowest:.0f} ms"),
    ]
    return ["### A provider killed under 100 jobs/s", "", *table(("", "measured"), rows)]


async def _until(env: RouterEnvironment, happened: Callable[[pb.Provider], bool]) -> float:
    began = time.perf_counter()
    async with asyncio.timeout(30):
        while not happened(await env.provider("first")):  # noqa: ASYNC110 - the router sends no notice
            await asyncio.sleep(0.01)
    return time.perf_counter() - began


async def _cpu(calls: int) -> list[str]:
    """Measures the CPU of a router process per job, and that of this process per bare call."""
    with TemporaryDirectory(prefix="weft-bench-") as folder:
        port = free_ports(1)[0]
        mock = _child(Path(folder), "weft_mock", f"--port={port}", f"--tokens={_TOKENS}", "--first-token-ms=1")
        url = f"http://127.0.0.1:{port}/v1"
        try:
            await _listens(mock, port)
            bare_ms = await _bare(url, calls)
            plain_ms = await _routed(Path(folder), catalog(url, url), calls)
            hedged_ms = await _routed(Path(folder), catalog(url, url, "hedge = { after_s = 1 }"), calls)
        finally:
            mock.stop()
    rows = [
        ("bare httpx loop", f"{bare_ms:.2f}"),
        ("router", f"{plain_ms:.2f}"),
        ("router, ready to hedge", f"{hedged_ms:.2f}"),
    ]
    return ["### CPU a streamed job", "", *table(("", "CPU, ms"), rows)]


async def _listens(child: Child, port: int) -> None:
    """Waits until a process accepts connections. Raises PartFailed if it ends before that."""
    async with asyncio.timeout(60):
        while is_free(port):
            child.ensure_running()
            await asyncio.sleep(0.05)


async def _bare(url: str, calls: int) -> float:
    body = {"model": "m", "stream": True, "messages": [{"role": "user", "content": "Question"}]}
    async with httpx.AsyncClient() as client:
        for warm in (True, False):
            began = time.process_time()
            for _ in range(20 if warm else calls):
                async with client.stream("POST", f"{url}/chat/completions", json=body) as response:
                    async for _line in response.aiter_lines():
                        pass
    return (time.process_time() - began) / calls * 1000


async def _routed(folder: Path, text: str, calls: int) -> float:
    async with observed_log(text) as (env, config):
        child = _child(folder, "weft_router", env=_router_settings(config))
        try:
            await env.load(20, per_second=50)
            process = psutil.Process(child.pid)
            before = process.cpu_times()
            for _ in range(calls // 4):
                await env.wait_for(await asyncio.gather(*(env.submit() for _ in range(4))))
            after = process.cpu_times()
        finally:
            child.stop()
    return ((after.user - before.user) + (after.system - before.system)) / calls * 1000


def _child(folder: Path, module: str, *settings: str, env: Mapping[str, str] | None = None) -> Child:
    argv = [sys.executable, "-m", module, *settings]
    return Child(Command(name=module, argv=argv, log=folder / f"{module}.log", env=env or {}))


def _router_settings(config: Config) -> dict[str, str]:
    names = ("listen", "nats_url", "cache_target", "retrieval_target", "redis_url", "catalog_file", "slots")
    settings = {f"WEFT_ROUTER_{name.upper()}": str(getattr(config, name)) for name in names}
    return {**settings, "PYTHONPATH": os.pathsep.join(sys.path)}
