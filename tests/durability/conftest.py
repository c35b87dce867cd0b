"""The environments that tests share: most want one where lost workers are noticed soon, some the defaults."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from tests.durability.environment import Environment, Plan, environment

from weft_kit.joblog import LogConfig

# As short as a busy machine bears: a worker that lives must manage to say so every third of it.
BRISK = LogConfig(ack_wait_s=1.5, accept_timeout_s=3.0, max_bytes=256 * 1024**2)


@pytest_asyncio.fixture(scope="package", loop_scope="package")
async def brisk_environment(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Environment]:
    async with environment(Plan(tmp_path_factory.mktemp("brisk"), BRISK)) as built:
        yield built


@pytest_asyncio.fixture(scope="package", loop_scope="package")
async def default_environment(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Environment]:
    """A smaller one, whose log has the settings that come with it."""
    log = LogConfig(max_bytes=BRISK.max_bytes)
    async with environment(Plan(tmp_path_factory.mktemp("default"), log, gateways=1, engines=1)) as built:
        yield built


@pytest_asyncio.fixture(loop_scope="package")
async def brisk(brisk_environment: Environment) -> Environment:
    """An environment that lacks nothing; workers count as lost after 1.5 s."""
    await brisk_environment.mend()
    return brisk_environment
