"""The log goes away while providers stream: for a moment, which costs nothing, or as the router wants to leave."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from tests.router.conftest import CATALOG
from tests.router.harness import Harness
from tests.support.transcript import text_of

from weft.job.v1 import job_pb2
from weft_compose.servers import NatsServer, serving
from weft_kit.joblog import JobLog, LogConfig, connect, text_hash
from weft_mock import MockProvider, Script


@pytest.fixture
def server(tmp_path: Path) -> Iterator[NatsServer]:
    with serving(lambda port: NatsServer(tmp_path / "nats", port)) as server:
        yield server


@pytest.fixture
async def harness(server: NatsServer, mock_url: str, tmp_path: Path) -> AsyncIterator[Harness]:
    async with connect(server.url, "test") as client:
        # Silence as short as these blips is enough for the log to believe a worker lost.
        log = JobLog(client, LogConfig(max_bytes=64 * 1024**2, ack_wait_s=1))
        await log.ensure()
        harness = Harness(log, server.url, tmp_path)
        harness.catalog(CATALOG.format(base_url=mock_url))
        yield harness


def kill(server: NatsServer) -> None:
    assert server.child is not None
    os.kill(server.child.pid, signal.SIGKILL)
    server.stop()


async def start_again(server: NatsServer) -> None:
    server.start()
    await asyncio.to_thread(server.wait_ready)


async def test_a_blip_of_the_log_costs_no_stream_of_a_provider(
    harness: Harness, mock: MockProvider, server: NatsServer
) -> None:
    mock.play(Script(tokens=150, tokens_per_second=100))
    async with harness.routing():
        job_id = await harness.submit()
        await harness.first(job_id, "delta")
        kill(server)
        await harness.until(lambda: mock.stats.finished == 1)  # the provider ends while the log is away
        await start_again(server)
        events = await harness.events(job_id)
        await harness.until_acknowledged()

    done = events[-1].done
    assert done.state == job_pb2.JOB_STATE_SUCCEEDED
    assert len(done.answer.text.split()) == 150
    assert done.text_hash == text_hash(text_of(events))
    assert mock.stats.requests == len(done.attempts) == 1


async def test_a_router_leaves_in_time_though_the_log_is_away(
    harness: Harness, mock: MockProvider, server: NatsServer
) -> None:
    mock.play(Script(tokens=5000, tokens_per_second=50))
    async with asyncio.timeout(20):
        async with harness.routing():
            await harness.first(await harness.submit(), "delta")
            kill(server)
        await mock.next_abort()
