"""The houses that tests share: most want one where lost workers are noticed soon, some the defaults."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from tests.durability.house import House, Plan, house

from weft_kit.joblog import LogConfig

# As short as a busy machine bears: a worker that lives must manage to say so every third of it.
BRISK = LogConfig(ack_wait_s=1.5, accept_timeout_s=3.0, max_bytes=256 * 1024**2)


@pytest_asyncio.fixture(scope="package", loop_scope="package")
async def brisk_house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    async with house(Plan(tmp_path_factory.mktemp("brisk"), BRISK)) as built:
        yield built


@pytest_asyncio.fixture(scope="package", loop_scope="package")
async def default_house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    """A smaller one, whose log has the settings that come with it."""
    log = LogConfig(max_bytes=BRISK.max_bytes)
    async with house(Plan(tmp_path_factory.mktemp("default"), log, gateways=1, engines=1)) as built:
        yield built


@pytest_asyncio.fixture(loop_scope="package")
async def brisk(brisk_house: House) -> House:
    """A house that lacks nothing; workers count as lost after 1.5 s."""
    await brisk_house.mend()
    return brisk_house
