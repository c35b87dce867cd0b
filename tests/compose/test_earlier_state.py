"""A state folder of a version before there were passwords and mesh ids: it starts with all that it holds."""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import psycopg

from weft.job.v1 import job_pb2
from weft_client.client import WeftClient
from weft_client.requests import chat
from weft_compose.launcher import DEFAULT_CATALOG, Launch, RunningMesh, mesh
from weft_compose.plan import Ports
from weft_compose.servers import NatsServer, PostgresServer, serving
from weft_compose.state import StateFolder
from weft_kit.joblog import connect
from weft_kit.mesh_id import DEFAULT_MESH_ID

BELONGS_TO_THE_SUPERUSER = """
SELECT relname FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
WHERE pg_get_userbyid(relowner) = 'weft' AND nspname IN ('public', 'retrieval')
UNION ALL SELECT nspname FROM pg_namespace WHERE pg_get_userbyid(nspowner) = 'weft' AND nspname !~ '^(pg_|info)'
UNION ALL SELECT polname FROM pg_policy WHERE 'weft'::regrole = ANY (polroles)
UNION ALL SELECT datname FROM pg_database WHERE datname = 'weft' AND pg_get_userbyid(datdba) = 'weft'
"""


@asynccontextmanager
async def running(root: Path) -> AsyncIterator[RunningMesh]:
    launch = Launch(StateFolder(root), Ports.counted_from(0), DEFAULT_CATALOG, engine="echo")
    async with mesh(launch, lambda _part, _seconds: None) as found:
        yield found


async def forget_whose(root: Path) -> None:
    """Has the streams say nothing of whose they are."""
    with serving(lambda port: NatsServer(root / "nats", port)) as nats:
        async with connect(nats.url, "test") as client:
            for info in await client.jetstream().streams_info():
                await client.jetstream().update_stream(info.config.evolve(metadata={}))


def make_earlier(root: Path) -> None:
    """Takes away what an earlier version did not have, and gives the superuser what was the superuser's then."""
    with serving(lambda port: PostgresServer(root / "postgres", port)) as server, server.superuser("weft") as session:
        session.execute("REASSIGN OWNED BY weft_services TO weft")
        session.execute("ALTER POLICY upkeep ON retrieval.collections TO weft")
        for table in ("public.mesh", "retrieval.mesh"):
            session.execute(f"DROP TABLE {table}")
        session.execute("DELETE FROM gateway_migrations WHERE name = '0009_mesh.sql'")
        session.execute("DELETE FROM retrieval.migrations WHERE name = '0015_mesh.sql'")
        session.execute("DROP OWNED BY weft_services")
        session.execute("DROP ROLE weft_services")
    (root / "postgres" / "pg_hba.conf").write_text("local all all trust\nhost all all 127.0.0.1/32 trust\n")
    for file in (*root.glob("*.password"), root / "mesh-id"):
        file.unlink()
    written = json.loads((root / "mesh.json").read_text())
    del written["mesh_id"]
    (root / "mesh.json").write_text(json.dumps(written))
    if os.geteuid() == 0:
        for server in ("nats", "valkey"):
            for path in ((root / server), *(root / server).rglob("*")):
                os.chown(path, 0, 0)


async def test_a_state_folder_of_an_earlier_version_starts_with_its_jobs_and_documents(tmp_path: Path):
    root = tmp_path / "state"
    root.mkdir()
    (root / "mesh-id").write_text(DEFAULT_MESH_ID)
    async with running(root) as first, WeftClient(first.record.endpoint, first.record.api_key) as weft:
        await weft.documents.ensure_collection("docs")
        await weft.documents.ingest("docs", "lamp.txt", b"The lamp is lit at dusk.")
        done = await weft.wait((await weft.submit(chat("Is it done?", max_tokens=8))).job_id)
        await first.part("router").stop(15)
        waiting = await weft.submit(chat("Does it wait?", max_tokens=8))
    await forget_whose(root)
    make_earlier(root)

    async with running(root) as second:
        assert second.record.mesh_id == DEFAULT_MESH_ID
        assert second.record.api_key == first.record.api_key
        async with WeftClient(second.record.endpoint, second.record.api_key) as weft:
            assert (await weft.job(done.job_id)).state == job_pb2.JOB_STATE_SUCCEEDED
            async with asyncio.timeout(30):
                assert (await weft.wait(waiting.job_id)).state == job_pb2.JOB_STATE_SUCCEEDED
            assert [hit.document_id for hit in await weft.documents.search("docs", "lamp")] == ["lamp.txt"]
        with psycopg.connect(second.urls.postgres) as session:
            assert session.execute(BELONGS_TO_THE_SUPERUSER).fetchall() == []
            assert session.execute("SELECT id FROM mesh").fetchall() == [(DEFAULT_MESH_ID,)]
