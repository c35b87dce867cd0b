"""PostgreSQL comes late, goes away and comes back; the service stays."""

import asyncio
import socket
from contextlib import suppress

import grpc
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from weft_kit.rpc.errors import WeftError


class Door:
    """A TCP port in front of a server that can be closed, with all connections through it, and opened again."""

    def __init__(self, port: int, behind: tuple[str, int]) -> None:
        self._port = port
        self._behind = behind
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._pass, "127.0.0.1", self._port)

    async def close(self) -> None:
        if self._server:
            self._server.close()
        for writer in self._open:
            writer.transport.abort()
        self._open.clear()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner_reader, inner_writer = await asyncio.open_connection(*self._behind)
        self._open |= {writer, inner_writer}
        await asyncio.gather(self._pump(reader, inner_writer), self._pump(inner_reader, writer))

    @staticmethod
    async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while data := await source.read(65536):
                sink.write(data)
                await sink.drain()
        sink.close()


async def test_the_service_outlives_postgresql(running, postgres_url, unused_tcp_port):
    parts = conninfo_to_dict(postgres_url)
    door = Door(unused_tcp_port, (str(parts["host"]), int(parts["port"])))
    async with running(make_conninfo(postgres_url, port=unused_tcp_port)) as client_of:
        client = client_of("acme")
        await down(client.create())
        await door.open()
        await client.create()
        await client.ingest("The moon pulls the sea.", "tides")
        await door.close()
        await down(client.search("moon"))
        await down(client.ingest("Bread.", "bread"))
        await door.open()
        assert (await client.search("moon")).hits
        await client.ingest("Bread.", "bread")
        await door.close()


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
