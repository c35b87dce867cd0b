"""A job log, a mock provider and a harness to work them with, of each test's own."""

from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest
from redis.asyncio import Redis
from tests.router.harness import Harness

from weft_kit.joblog import JobLog
from weft_mock import MockProvider

CATALOG = """
[providers.mock]
kind = "openai"
base_url = "{base_url}"

[models.default]
routes = [{{ provider = "mock", model = "mock" }}]
timeouts = {{ first_token_s = 5, between_tokens_s = 5, total_s = 20 }}
"""


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    async with Redis.from_url(redis_url) as client:
        yield client


@pytest.fixture
def tenant() -> str:
    """One that no other test has: Redis is shared."""
    return f"tenant-{uuid4().hex[:8]}"


@pytest.fixture
def mock() -> MockProvider:
    return MockProvider()


@pytest.fixture
async def mock_url(mock: MockProvider) -> AsyncIterator[str]:
    async with mock.running() as base_url:
        yield base_url


@pytest.fixture
def second() -> MockProvider:
    """Another mock provider."""
    return MockProvider()


@pytest.fixture
async def second_url(second: MockProvider) -> AsyncIterator[str]:
    async with second.running() as base_url:
        yield base_url


@pytest.fixture
def pair(harness: Harness, mock_url: str, second_url: str) -> Harness:
    """A harness whose catalog has the providers `mock` and `second`, and no alias yet."""
    providers = "".join(
        f'[providers.{name}]\nkind = "openai"\nbase_url = "{url}"\n'
        for name, url in (("mock", mock_url), ("second", second_url))
    )
    harness.catalog(providers)
    return harness


@pytest.fixture
def harness(joblog: JobLog, nats_url: str, mock_url: str, tmp_path: Path) -> Harness:
    """Its catalog routes `default` to the mock provider."""
    harness = Harness(joblog, nats_url, tmp_path)
    harness.catalog(CATALOG.format(base_url=mock_url))
    return harness
