"""A job log of each test's own, on the run's NATS server."""

from collections.abc import AsyncIterator
from uuid import uuid4

import pytest

from weft_kit.joblog import JobLog, LogConfig, connect


@pytest.fixture
async def joblog(nats_url: str) -> AsyncIterator[JobLog]:
    name = uuid4().hex[:8]
    config = LogConfig(stream=f"JOBS_{name}", prefix=f"jobs_{name}", live_prefix=f"live_{name}", max_bytes=64 * 1024**2)
    async with connect(nats_url, "test") as client:
        log = JobLog(client, config)
        await log.ensure()
        yield log
        await client.jetstream().delete_stream(config.stream)
