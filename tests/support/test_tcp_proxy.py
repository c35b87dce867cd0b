"""A proxy passes everything on, until it is cut, reset or stalled."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from tests.support.tcp_proxy import TcpProxy

SHORT_S = 0.2
LIMIT_S = 5.0


@pytest.fixture
async def proxy() -> AsyncIterator[TcpProxy]:
    """A proxy before a server that says everything back."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(100):
            writer.write(data)
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    async with server, TcpProxy(*server.sockets[0].getsockname()).listening() as proxy:
        yield proxy


@asynccontextmanager
async def connected(proxy: TcpProxy) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection(*proxy.address.rsplit(":", 1))
    try:
        yield reader, writer
    finally:
        writer.close()


async def said_back(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, words: bytes) -> bool:
    writer.write(words)
    return await asyncio.wait_for(reader.readexactly(len(words)), LIMIT_S) == words


async def test_it_passes_bytes_both_ways_and_ends(proxy: TcpProxy) -> None:
    async with connected(proxy) as (reader, writer):
        assert await said_back(reader, writer, b"hello")
        writer.write_eof()
        assert await asyncio.wait_for(reader.read(), LIMIT_S) == b""


async def test_a_reset_ends_what_is_open_and_nothing_else(proxy: TcpProxy) -> None:
    async with connected(proxy) as (reader, writer):
        assert await said_back(reader, writer, b"hello")
        proxy.reset()
        with pytest.raises(ConnectionResetError):
            await asyncio.wait_for(reader.read(), LIMIT_S)
    async with connected(proxy) as again:
        assert await said_back(*again, b"again")


async def test_a_cut_ends_what_is_open_and_refuses_what_comes_until_it_is_mended(proxy: TcpProxy) -> None:
    async with connected(proxy) as (reader, writer):
        assert await said_back(reader, writer, b"hello")
        await proxy.cut()
        assert await asyncio.wait_for(reader.read(), LIMIT_S) == b""
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(*proxy.address.rsplit(":", 1))
    await proxy.mend()
    async with connected(proxy) as again:
        assert await said_back(*again, b"again")


async def test_a_stall_holds_everything_back_and_loses_nothing(proxy: TcpProxy) -> None:
    async with connected(proxy) as (reader, writer):
        proxy.stall()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(SHORT_S):
                await said_back(reader, writer, b"held")
        async with connected(proxy) as new:
            newcomer = asyncio.create_task(said_back(*new, b"new"))
            proxy.flow()
            assert await asyncio.wait_for(reader.readexactly(4), LIMIT_S) == b"held"
            assert await newcomer


async def test_nobody_behind_it_ends_the_connection() -> None:
    async with TcpProxy("127.0.0.1", 9).listening() as proxy, connected(proxy) as (reader, _):
        assert await asyncio.wait_for(reader.read(), LIMIT_S) == b""
