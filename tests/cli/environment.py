"""A gateway and a router, as they are, with mock providers behind: what the command line meets in earnest."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from tests.support.command_line import weft

from weft_client.client import WeftClient
from weft_client.keys import KeyClient
from weft_gateway import config as gateway_config
from weft_gateway.server import gateway
from weft_kit.joblog import LogConfig
from weft_mock import MockProvider, Script
from weft_router import config as router_config
from weft_router.server import router

OPERATOR_TOKEN = "operator-token"
NOBODY = "127.0.0.1:9"

CATALOG = """
[providers.quick]
kind = "openai"
base_url = "{quick}"
region = "eu"
[providers.slow]
kind = "openai"
base_url = "{slow}"
region = "us"
[providers.gone]
kind = "openai"
base_url = "http://127.0.0.1:9/v1"

[models.default]
routes = [{{ provider = "quick", model = "q" }}]
[models.both]
routes = [{{ provider = "quick", model = "q" }}, {{ provider = "slow", model = "s" }}]
first_of = 2
[models.careful]
routes = [{{ provider = "slow", model = "s" }}]
draft = "default"
[models.shaky]
routes = [{{ provider = "gone", model = "g" }}]
fallbacks = ["default"]

[prices]
as_of = 2026-01-01
currency = "EUR"
per_million.quick.q = {{ input = 1000, output = 2000 }}
per_million.slow.s = {{ input = 1000, output = 2000 }}

[budgets.{tenant}]
tokens_per_minute = 90_000
money_per_day = 50.0
"""


@dataclass(frozen=True)
class Environment:
    """Where the gateway is, one tenant's key, and the providers."""

    endpoint: str
    tenant: str
    key: str
    quick: MockProvider
    slow: MockProvider

    def client(self) -> WeftClient:
        return WeftClient(self.endpoint, self.key)

    async def weft(self, *arguments: str) -> tuple[int, str, str]:
        """Runs the command with the tenant's key."""
        return await weft("--endpoint", self.endpoint, "--key", self.key, *arguments)

    async def weft_as_operator(self, *arguments: str) -> tuple[int, str, str]:
        return await weft("--endpoint", self.endpoint, "--operator-token", OPERATOR_TOKEN, *arguments)


@asynccontextmanager
async def running(
    folder: Path, log: LogConfig, nats_url: str, postgres_url: str, redis_url: str
) -> AsyncIterator[Environment]:
    """Runs the environment while entered. The slow provider keeps everybody waiting for half a second, the quick one
    for long enough that both can be asked at once.
    """
    quick, slow = MockProvider(Script(tokens=4, first_token_s=0.1)), MockProvider(Script(tokens=4, first_token_s=0.5))
    catalog, tenant = folder / "weft.toml", f"tenant-{uuid4().hex[:8]}"
    async with AsyncExitStack() as stack:
        addresses = [await stack.enter_async_context(mock.running()) for mock in (quick, slow)]
        catalog.write_text(CATALOG.format(tenant=tenant, quick=addresses[0], slow=addresses[1]))
        routing = router_config.Config(
            listen="127.0.0.1:0",
            log=log,
            nats_url=nats_url,
            redis_url=redis_url,
            cache_target=NOBODY,
            retrieval_target=NOBODY,
            catalog_file=catalog,
            first_wait_s=0.01,
            grace_s=1.0,
        )
        worker = await stack.enter_async_context(router(routing))
        entering = gateway_config.Config(
            listen="127.0.0.1:0",
            log=log,
            nats_url=nats_url,
            redis_url=redis_url,
            postgres_url=postgres_url,
            cache_target=NOBODY,
            retrieval_target=NOBODY,
            router_target=worker.address,
            catalog_file=catalog,
            operator_token=OPERATOR_TOKEN,
            address_calls_per_minute=0,
            grace_s=1.0,
        )
        entrance = await stack.enter_async_context(gateway(entering, ("serve",)))
        assert entrance is not None
        async with KeyClient(entrance.address, OPERATOR_TOKEN) as operator:
            made = await operator.create(tenant, "test")
        yield Environment(entrance.address, tenant, made.secret, quick, slow)
