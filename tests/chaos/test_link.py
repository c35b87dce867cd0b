"""A link passes everything on, until it is cut or stalled."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from tests.chaos.link import Link

SHORT_S = 0.2
LIMIT_S = 5.0


@pytest.fixture
async def link() -> AsyncIterator[Link]:
    """A link to a server that says everything back."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(100):
            writer.write(data)
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    async with server, Link("test", f"127.0.0.1:{server.sockets[0].getsockname()[1]}").listening() as link:
        yield link


async def connected(link: Link) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection(*link.address.rsplit(":", 1))


async def said_back(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, words: bytes) -> bool:
    writer.write(words)
    return await asyncio.wait_for(reader.readexactly(len(words)), LIMIT_S) == words


async def test_it_passes_bytes_both_ways_and_ends(link: Link) -> None:
    reader, writer = await connected(link)
    assert await said_back(reader, writer, b"hello")
    writer.write_eof()
    assert await asyncio.wait_for(reader.read(), LIMIT_S) == b""


async def test_a_cut_ends_what_is_open_and_nothing_else(link: Link) -> None:
    reader, writer = await connected(link)
    assert await said_back(reader, writer, b"hello")
    link.cut()
    with pytest.raises(ConnectionResetError):
        await asyncio.wait_for(reader.read(), LIMIT_S)
    assert await said_back(*await connected(link), b"again")


async def test_a_stall_holds_everything_back_and_loses_nothing(link: Link) -> None:
    reader, writer = await connected(link)
    link.stall()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(SHORT_S):
            await said_back(reader, writer, b"held")
    newcomer = asyncio.create_task(said_back(*await connected(link), b"new"))
    link.flow()
    assert await asyncio.wait_for(reader.readexactly(4), LIMIT_S) == b"held"
    assert await newcomer


async def test_nobody_behind_it_ends_the_connection() -> None:
    async with Link("test", "127.0.0.1:9").listening() as link:
        reader, _ = await connected(link)
        assert await asyncio.wait_for(reader.read(), LIMIT_S) == b""
