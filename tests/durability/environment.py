"""A small mesh of real processes over real servers, every way to the log through a proxy of its own."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tests.durability.nats_proxy import NatsProxy, Trap
from tests.durability.processes import Service

from weft_client.client import WeftClient
from weft_client.keys import KeyClient
from weft_compose.ports import LOOPBACK, free_ports
from weft_compose.servers import EmbeddedServer, NatsServer, PostgresServer, ValkeyServer, serving
from weft_kit.joblog import JobLog, LogConfig, connect
from weft_mock import MockProvider

NOWHERE = f"{LOOPBACK}:9"
TENANT = "acme"
OPERATOR_TOKEN = "operator-token"

# One mock, seen through aliases that ask it for answers of different pace and form.
CATALOG = """
[providers.mock]
kind = "openai"
base_url = "{mock}"

{engines}

[models.short]
routes = [{{ provider = "mock", model = "mock?tokens=30&tokens_per_second=100" }}]

[models.slow]
routes = [{{ provider = "mock", model = "mock?tokens=90&tokens_per_second=30" }}]

[models.long]
routes = [{{ provider = "mock", model = "mock?tokens=150&tokens_per_second=30" }}]

[models.endless]
routes = [{{ provider = "mock", model = "mock?tokens=4000&tokens_per_second=50" }}]
max_output_tokens = 4000
timeouts = {{ total_s = 120 }}

[models.held]
routes = [{{ provider = "mock", model = "mock?first_token_s=300" }}]
timeouts = {{ first_token_s = 300, total_s = 300 }}

[models.tool]
routes = [{{ provider = "mock", model = "mock?tool_calls=find:%7B%22name%22:%22weft%22%7D&tokens_per_second=0.25" }}]

[models.echo]
routes = [{routes}]

[tenants.narrow]
max_in_flight = 1
"""
ENGINE = """
[providers.engine-{number}]
kind = "inference"
target = "{address}"
"""

# What a test stores need survive a killed server, not a machine without power.
_POSTGRES = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


@dataclass(frozen=True)
class Plan:
    """What an environment is to be like."""

    root: Path
    log: LogConfig
    gateways: int = 2
    routers: int = 2
    engines: int = 2


@dataclass
class Environment:
    """A mesh while it is up: its servers, its services, and a key to its door."""

    nats: NatsServer
    postgres: PostgresServer
    valkey: ValkeyServer
    mock: MockProvider
    gateways: list[Service]
    routers: list[Service]
    engines: list[Service]
    """The first answers, the others stand by."""
    recorder: Service
    proxies: dict[str, NatsProxy]
    log: JobLog
    """The log, read past every proxy."""
    keys: dict[str, str] = field(default_factory=dict)

    @property
    def services(self) -> list[Service]:
        return [*self.gateways, *self.routers, *self.engines, self.recorder]

    @property
    def endpoint(self) -> str:
        return ",".join(gateway.address for gateway in self.gateways)

    def client(self, endpoint: str = "", tenant: str = TENANT) -> WeftClient:
        """A client of every gateway, or of the endpoint named."""
        return WeftClient(endpoint or self.endpoint, self.keys[tenant])

    @contextmanager
    def armed(self, services: Iterable[Service], trap: Trap) -> Iterator[Trap]:
        """Lets the first of these services that comes to the trap's step spring it."""
        proxies = [self.proxies[service.name] for service in services]
        for proxy in proxies:
            proxy.arm(trap)
        try:
            yield trap
        finally:
            for proxy in proxies:
                proxy.disarm()

    def behind(self, proxy: NatsProxy) -> Service:
        """The service whose proxy this is."""
        return next(service for service in self.services if self.proxies.get(service.name) is proxy)

    async def mend(self) -> None:
        """Starts whatever does not run, and lets go on what is frozen."""
        for server in (self.nats, self.postgres, self.valkey):
            await revive(server)
        for service in self.services:
            service.resume()
        await asyncio.gather(*(service.start() for service in self.services))

    async def add_key(self, tenant: str) -> None:
        async with KeyClient(self.gateways[0].address, OPERATOR_TOKEN) as keys:
            self.keys[tenant] = (await keys.create(tenant, "durability")).secret
        # Every gateway is to know it: one that never saw a key cannot trust it while PostgreSQL is away.
        for gateway in self.gateways:
            async with self.client(gateway.address, tenant) as weft:
                await weft.jobs(1)


async def revive(server: EmbeddedServer) -> None:
    """Starts a server again on its folder, unless it runs."""
    if server.child is None or server.child.exit_code is not None:
        await asyncio.to_thread(server.prepare)
        server.start()
        await asyncio.to_thread(server.wait_ready)


@asynccontextmanager
async def environment(plan: Plan) -> AsyncIterator[Environment]:
    """Runs an environment while the context lasts."""
    async with AsyncExitStack() as stack:
        root = plan.root
        nats = stack.enter_context(serving(lambda port: NatsServer(root / "nats", port)))
        postgres = stack.enter_context(serving(lambda port: PostgresServer(root / "postgres", port, None, _POSTGRES)))
        valkey = stack.enter_context(serving(lambda port: ValkeyServer(root / "valkey", port)))
        mock = MockProvider()
        mock_url = await stack.enter_async_context(mock.running())
        log = JobLog(await stack.enter_async_context(connect(nats.url, "test")), plan.log)
        await log.ensure()
        builder = _Builder(plan, nats, postgres, valkey, stack)
        built = Environment(
            nats,
            postgres,
            valkey,
            mock,
            gateways=[await builder.gateway(f"gateway-{i}") for i in range(plan.gateways)],
            routers=[await builder.router(f"router-{i}") for i in range(plan.routers)],
            engines=[builder.engine(f"inference-{i}") for i in range(plan.engines)],
            recorder=await builder.recorder(),
            proxies=builder.proxies,
            log=log,
        )
        builder.catalog.write_text(catalog(mock_url, [engine.address for engine in built.engines]))
        try:
            await built.mend()
            for tenant in (TENANT, "narrow"):
                await built.add_key(tenant)
            yield built
        finally:
            for service in built.services:
                service.kill()


def catalog(mock_url: str, engines: Sequence[str]) -> str:
    named = "".join(ENGINE.format(number=number, address=address) for number, address in enumerate(engines))
    routes = ", ".join(f'{{ provider = "engine-{number}" }}' for number in range(len(engines)))
    return CATALOG.format(mock=mock_url, engines=named, routes=routes)


class _Builder:
    """Says what each service is told, as the launcher does in weft_compose/plan.py."""

    def __init__(
        self, plan: Plan, nats: NatsServer, postgres: PostgresServer, valkey: ValkeyServer, stack: AsyncExitStack
    ) -> None:
        self._plan = plan
        self._nats = nats
        self._stack = stack
        self._ports: Iterator[int] = iter(free_ports(plan.gateways + plan.routers + plan.engines))
        self._stores = {"postgres_url": postgres.url, "redis_url": valkey.url}
        self.catalog = plan.root / "weft.toml"
        self.proxies: dict[str, NatsProxy] = {}

    async def gateway(self, name: str) -> Service:
        return await self._log_user(name, ["weft_gateway", "serve"], f"{LOOPBACK}:{next(self._ports)}", self._stores)

    async def recorder(self) -> Service:
        return await self._log_user("recorder", ["weft_gateway", "recorder", "notifier"], "", self._stores)

    async def router(self, name: str) -> Service:
        shared = {"redis_url": self._stores["redis_url"]}
        return await self._log_user(name, ["weft_router"], f"{LOOPBACK}:{next(self._ports)}", shared)

    def engine(self, name: str) -> Service:
        settings = {"engine": "echo", "echo_tokens_per_s": "30", "state_dir": str(self._plan.root / "inference")}
        return self._service(name, ["weft_inference"], f"{LOOPBACK}:{next(self._ports)}", settings)

    async def _log_user(self, name: str, argv: list[str], address: str, more: Mapping[str, str]) -> Service:
        proxy = await self._stack.enter_async_context(NatsProxy(self._nats.url).listening())
        self.proxies[name] = proxy
        settings = {
            "nats_url": proxy.url,
            "log": json.dumps(asdict(self._plan.log)),
            "catalog_file": str(self.catalog),
            "cache_target": NOWHERE,
            "retrieval_target": NOWHERE,
            **more,
        }
        return self._service(name, argv, address, settings)

    def _service(self, name: str, argv: list[str], address: str, settings: Mapping[str, str]) -> Service:
        kind = argv[0].removeprefix("weft_")
        told = {"listen": address, **settings, **_SETTINGS[kind]}
        return Service(
            name,
            argv,
            {f"WEFT_{kind.upper()}_{key.upper()}": value for key, value in told.items()},
            self._plan.root / "logs" / f"{name}.log",
            address,
        )


_SETTINGS = {
    "gateway": {
        "operator_token": OPERATOR_TOKEN,
        "recorder_wait_s": "0.02",
        "webhook_signing_key": "a key that is long enough for signing",
        "webhook_allow_private": "true",
        "webhook_poll_s": "0.1",
        "reaper_poll_s": "0.2",
        "grace_s": "1",
    },
    "router": {"grace_s": "1", "slots": "512"},
    "inference": {"grace_s": "1"},
}
