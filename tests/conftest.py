"""Real servers for tests: started when first asked for, on free ports, once per run."""

import os
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from uuid import uuid4

import hypothesis
import pytest

from weft_compose.ports import free_ports
from weft_compose.servers import NatsCluster, NatsServer, PostgresServer, ValkeyServer, serving
from weft_kit.file_limit import raise_file_limit
from weft_kit.joblog import JobLog, LogConfig, connect

# How long an example takes says how busy the machine is.
hypothesis.settings.register_profile("weft", deadline=None)
hypothesis.settings.load_profile("weft")

# What a test stores need not survive the machine.
_FORGETFUL = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


pytest_plugins = ["tests.support.parallel"]


def pytest_configure(config: pytest.Config) -> None:
    """Keeps compiled modules, for all processes and runs: half of a service's start is compiling its imports."""
    sys.dont_write_bytecode = False
    sys.pycache_prefix = os.environ.setdefault("PYTHONPYCACHEPREFIX", str(config.cache.mkdir("bytecode")))
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


@pytest.fixture(scope="session", autouse=True)
def interruptible() -> None:
    """Lets processes of the tests hear Ctrl-C: a shell has what it runs in the background ignore it."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def many_files() -> None:
    """Lets tests open hundreds of streams at once, as whoever runs them."""
    raise_file_limit()


@pytest.fixture
def unused_tcp_port() -> int:
    """A port that stays the test's own: pytest-asyncio's may be taken by another process before it is used."""
    return free_ports(1)[0]


@pytest.fixture(scope="session")
def nats_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("nats") / "data"
    with serving(lambda port: NatsServer(folder, port)) as server:
        yield server.url


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsCluster]:
    """Three nats-servers of a module's own, for tests that stop some of them."""
    folder = tmp_path_factory.mktemp("cluster")
    with serving(lambda port: NatsCluster.of_size(3, folder, port)) as running:
        yield running


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Valkey with RediSearch, shared by the whole run: use keys and tenants of your own."""
    folder = tmp_path_factory.mktemp("valkey") / "data"
    with serving(lambda port: ValkeyServer(folder, port)) as server:
        yield server.url


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    folder = tmp_path_factory.mktemp("postgres") / "data"
    with serving(lambda port: PostgresServer(folder, port, settings=_FORGETFUL)) as server:
        yield server


@pytest.fixture
def postgres_url(postgres_server: PostgresServer) -> Iterator[str]:
    """A database of the test's own, with pgvector, dropped afterwards."""
    database = f"test_{uuid4().hex}"
    postgres_server.create_database(database)
    yield postgres_server.database_url(database)
    with postgres_server.superuser("postgres") as session:
        session.execute(f"DROP DATABASE {database} WITH (FORCE)")


@pytest.fixture
def superuser_url(postgres_server: PostgresServer, postgres_url: str) -> Iterator[str]:
    """The test's database as the superuser has it, who sees past the fence between tenants."""
    folder = os.open(postgres_server.folder, os.O_PATH)
    database = postgres_url.rpartition("/")[2]
    yield f"postgresql:///{database}?user=weft&host=/proc/self/fd/{folder}&port={postgres_server.port}"
    os.close(folder)


@pytest.fixture
async def joblog(nats_url: str) -> AsyncIterator[JobLog]:
    """A job log of the test's own, on the run's NATS server."""
    name = uuid4().hex[:8]
    config = LogConfig(stream=f"JOBS_{name}", prefix=f"jobs_{name}", live_prefix=f"live_{name}", max_bytes=64 * 1024**2)
    async with connect(nats_url, "test") as client:
        log = JobLog(client, config)
        await log.ensure()
        yield log
        await client.jetstream().delete_stream(config.stream)
