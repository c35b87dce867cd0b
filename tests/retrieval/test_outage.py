"""PostgreSQL comes late, goes away and comes back; the service stays."""

import socket

import grpc
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from tests.support.tcp_proxy import TcpProxy

from weft_kit.rpc.errors import WeftError


async def test_the_service_outlives_postgresql(running, postgres_url, unused_tcp_port):
    parts = conninfo_to_dict(postgres_url)
    proxy = TcpProxy(str(parts["host"]), int(parts["port"]), local_port=unused_tcp_port)
    async with running(make_conninfo(postgres_url, port=unused_tcp_port)) as client_of:
        client = client_of("acme")
        await down(client.create())
        await proxy.mend()
        await client.create()
        await client.ingest("The moon pulls the sea.", "tides")
        await proxy.cut()
        await down(client.search("moon"))
        await down(client.ingest("Bread.", "bread"))
        await proxy.mend()
        assert (await client.search("moon")).hits
        await client.ingest("Bread.", "bread")
        await proxy.cut()


async def test_an_inference_service_that_is_frozen_is_named_before_the_caller_gives_up(running, postgres_url):
    # The system accepts connections for a frozen process, and nothing answers.
    with socket.create_server(("127.0.0.1", 0)) as frozen:
        async with running(postgres_url, inference_target=f"127.0.0.1:{frozen.getsockname()[1]}") as client_of:
            client = client_of("acme")
            await client.create()
            client.limit_s = 6.0
            with pytest.raises(WeftError) as caught:
                await client.ingest("The moon pulls the sea.", "tides")
    assert caught.value.metadata == {"dependency": "inference"}
    assert caught.value.message.startswith("inference did not answer")


async def down(call) -> None:
    with pytest.raises(WeftError) as caught:
        await call
    assert (caught.value.status, caught.value.reason_name) == (grpc.StatusCode.UNAVAILABLE, "DEPENDENCY_DOWN")
    assert caught.value.metadata["dependency"] == "postgresql"
    assert caught.value.retry_after_s
