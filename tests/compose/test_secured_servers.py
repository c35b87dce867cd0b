"""The servers of a mesh let nobody in but its own services, and cannot touch more of the machine than their folders."""

import os
import socket
import stat
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import nats
import psutil
import psycopg
import pytest
import pytest_asyncio
import redis
from nats.errors import Error as NatsError

from weft_compose.launcher import DEFAULT_CATALOG, Launch, RunningMesh, mesh
from weft_compose.plan import Ports
from weft_compose.servers import EmbeddedServer, NatsCluster, NatsServer, PostgresServer, ValkeyServer, serving
from weft_compose.state import StateFolder

SERVERS = ("nats", "postgres", "valkey")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("secured") / "state"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(root: Path) -> AsyncIterator[RunningMesh]:
    launch = Launch(StateFolder(root), Ports.counted_from(0), DEFAULT_CATALOG, engine="echo")
    async with mesh(launch, lambda _part, _seconds: None) as running:
        yield running


def without_password(url: str, *, wrong: str = "") -> str:
    parts = urlsplit(url)
    return parts._replace(netloc=f"{wrong}{parts.hostname}:{parts.port}").geturl()


def passwords(root: Path) -> list[str]:
    return [(root / f"{server}.password").read_text() for server in SERVERS]


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("wrong", ["", "guessed@"])
async def test_nats_takes_nobody_without_the_password(running: RunningMesh, wrong: str):
    with pytest.raises(NatsError, match="Authorization Violation"):
        await nats.connect(without_password(running.urls.nats, wrong=wrong), allow_reconnect=False)


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("wrong", ["", ":guessed@"])
async def test_valkey_does_nothing_without_the_password(running: RunningMesh, wrong: str):
    with (
        redis.Redis.from_url(without_password(running.urls.valkey, wrong=wrong)) as client,
        pytest.raises(redis.AuthenticationError),
    ):
        client.ping()


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("user", ["weft", "weft_services", "postgres", "weft_retrieval"])
@pytest.mark.parametrize("wrong", ["", ":guessed"])
async def test_postgres_takes_nobody_without_the_password(running: RunningMesh, user: str, wrong: str):
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(without_password(running.urls.postgres, wrong=f"{user}{wrong}@"))


@pytest.mark.asyncio(loop_scope="module")
async def test_the_superuser_of_postgres_does_not_come_with_the_services_password(running: RunningMesh):
    with pytest.raises(psycopg.OperationalError, match=r"no pg_hba\.conf entry"):
        psycopg.connect(running.urls.postgres.replace("weft_services", "weft"))


@pytest.mark.asyncio(loop_scope="module")
async def test_the_services_role_has_no_say_over_the_server(running: RunningMesh):
    with psycopg.connect(running.urls.postgres, autocommit=True) as session:
        role = session.execute(
            "SELECT rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls"
            " FROM pg_roles WHERE rolname = current_user"
        ).fetchone()
        assert role == (False,) * 5
        for command in (
            "COPY (SELECT 1) TO PROGRAM 'true'",
            "CREATE TEMP TABLE lines (line text); COPY lines FROM '/etc/passwd'",
            "SELECT pg_read_file('/etc/passwd')",
            "SELECT lo_import('/etc/passwd')",
            "CREATE ROLE more SUPERUSER",
            "ALTER SYSTEM SET archive_command = 'true'",
            "SET ROLE weft",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                session.execute(command)


@pytest.mark.asyncio(loop_scope="module")
async def test_valkey_writes_no_file_but_its_own(running: RunningMesh):
    with redis.Redis.from_url(running.urls.valkey) as client:
        for command in (("CONFIG", "SET", "dir", "/tmp"), ("MODULE", "LOAD", "/x.so"), ("DEBUG", "JMAP")):  # noqa: S108
            with pytest.raises(redis.ResponseError):
                client.execute_command(*command)


@pytest.mark.asyncio(loop_scope="module")
async def test_what_the_mesh_keeps_is_its_owners_alone(running: RunningMesh, root: Path):
    assert running.record.operator_token
    assert open_to_others(root) == []
    assert all(len(password) == 64 for password in passwords(root))
    assert len(set(passwords(root))) == len(SERVERS)


def open_to_others(root: Path) -> list[Path]:
    """Names what others than its owner may do something with; a link, or a socket in a closed folder, is none of it."""
    modes = {path: path.lstat().st_mode for path in (root, *root.rglob("*"))}
    return [path for path, mode in modes.items() if (stat.S_ISREG(mode) or stat.S_ISDIR(mode)) and mode & 0o077]


def command_of(process: psutil.Process) -> list[str]:
    """Returns what a process was started with; nothing of one that ended meanwhile, such as a worker of PostgreSQL."""
    with suppress(psutil.NoSuchProcess):
        return process.cmdline()
    return []


@pytest.mark.asyncio(loop_scope="module")
async def test_no_command_and_no_log_holds_a_password(running: RunningMesh, root: Path):
    known = [*passwords(root), running.record.operator_token, running.record.webhook_signing_key]
    written = [log.read_text() for log in (root / "logs").glob("*.log")]
    pids = [part.process.pid for part in filter(None, (part.running() for part in running.parts))]
    family = [process for pid in pids for process in (psutil.Process(pid), *psutil.Process(pid).children(True))]
    told = [" ".join(command_of(process)) for process in family]
    assert len(written) == len(running.parts)
    assert [secret for secret in known for text in (*written, *told) if secret in text] == []


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("name", SERVERS)
async def test_a_server_has_no_capability_and_is_not_root(running: RunningMesh, name: str):
    status = status_of(running.part(name).child.pid)
    assert {int(status[sort], 16) for sort in ("CapInh", "CapPrm", "CapEff", "CapAmb")} == {0}
    assert status["NoNewPrivs"] == "1"
    assert "0" not in status["Uid"].split()
    assert "0" not in status["Gid"].split()
    assert os.geteuid() != 0 or (status["Groups"].strip(), int(status["CapBnd"], 16)) == ("", 0)


def status_of(pid: int) -> dict[str, str]:
    return dict(line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())


async def test_the_nodes_of_a_cluster_let_nobody_in_either(tmp_path: Path):
    with serving(lambda port: NatsCluster.of_size(3, tmp_path, port)) as cluster:
        for node in cluster.nodes:
            with pytest.raises(NatsError, match="Authorization Violation"):
                await nats.connect(without_password(node.url), allow_reconnect=False)
            route, monitor = node.ports[1:]
            assert node.leaders() == {}
            assert b" 404 " in said(monitor, b"GET /varz HTTP/1.0\r\n\r\n")
            join = b'CONNECT {"verbose":false,"pedantic":false,"name":"n4","cluster":"x"}\r\nPING\r\n'
            assert b"Authorization Violation" in said(route, join)


def said(port: int, asked: bytes) -> bytes:
    """Returns all that is answered until the connection is closed."""
    with socket.create_connection(("127.0.0.1", port)) as stranger:
        stranger.sendall(asked)
        return stranger.makefile("rb").read()


@pytest.fixture(params=[NatsServer, PostgresServer, ValkeyServer])
def kind(request: pytest.FixtureRequest) -> type[EmbeddedServer]:
    return request.param


def test_a_password_stays_the_same_and_is_made_again_where_it_is_lost(kind: type[EmbeddedServer], tmp_path: Path):
    with serving(lambda port: kind(tmp_path / "data", port)) as server:
        first = server.password
    with serving(lambda port: kind(tmp_path / "data", port)) as server:
        assert server.password == first
    (tmp_path / "data.password").unlink()
    with serving(lambda port: kind(tmp_path / "data", port)) as server:
        assert server.password != first
        if kind is PostgresServer:
            with psycopg.connect(server.url) as session:
                assert session.execute("SELECT 1").fetchone() == (1,)


def test_a_postgres_elsewhere_is_brought_to_the_same_roles(tmp_path: Path):
    with serving(lambda port: PostgresServer(tmp_path / "data", port)) as server:
        with server.superuser("weft") as session:
            session.execute("ALTER DATABASE weft OWNER TO weft")
            session.execute("CREATE TABLE held (row int)")
        folder = os.open(server.folder, os.O_PATH)
        url = f"postgresql:///weft?user=weft&host=/proc/self/fd/{folder}&port={server.port}"
        for _ in range(2):
            subprocess.run(
                [sys.executable, "-m", "weft_compose.servers.postgres_roles"],
                env={**os.environ, "WEFT_POSTGRES_ADMIN_URL": url, "WEFT_SERVICES_PASSWORD": "another"},
                pass_fds=[folder],
                check=True,
            )
        os.close(folder)
        with psycopg.connect(server.url.replace(server.password, "another")) as session:
            session.execute("ALTER TABLE held ADD COLUMN more int")
