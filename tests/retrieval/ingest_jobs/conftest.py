"""A service whose embedder can be made to wait, and one tenant's client of its jobs."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

import pytest
from tests.retrieval.ingest_jobs.environment import Environment, Running
from tests.retrieval.ingest_jobs.ingest_client import IngestClient, PatientEmbedder

from weft_kit.rpc.channel import Channel
from weft_retrieval.config import Config
from weft_retrieval.document_processes.fork_client import ForkServerCommand
from weft_retrieval.ingest_jobs.log_connection import IngestLog
from weft_retrieval.server import retrieval


@pytest.fixture
def embedder() -> PatientEmbedder:
    return PatientEmbedder()


@pytest.fixture
def config(postgres_url, nats_url, inference) -> Config:
    name = uuid4().hex[:8]
    log = IngestLog(
        stream=f"I_{name}", prefix=f"i_{name}", live_prefix=f"il_{name}", ack_wait_s=1.0, max_bytes=64 * 1024**2
    )
    return Config(
        listen="127.0.0.1:0",
        postgres_url=postgres_url,
        nats_url=nats_url,
        log=log,
        inference_target=inference,
        grace_s=0.5,
    )


@pytest.fixture
def running(forking: ForkServerCommand) -> Running:
    @asynccontextmanager
    async def run(config: Config, *roles: str) -> AsyncIterator[Environment]:
        async with (
            retrieval(config, roles or ("serve", "work"), forking) as server,
            Channel(server.address, "retrieval") as channel,
        ):
            yield Environment(config, channel)

    return run


@pytest.fixture
async def environment(running: Running, config: Config) -> AsyncIterator[Environment]:
    async with running(config) as built:
        await built.ready()
        yield built


@pytest.fixture
def ingest(environment: Environment) -> IngestClient:
    return environment.ingest()
