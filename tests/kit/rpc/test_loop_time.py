"""A limit counts the time in which the event loop ran, and not the time in which it was held up."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from weft_kit.time_limits import loop_timeout


@pytest.fixture
async def echo() -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection to a server that answers at once, as far as the loop lets it."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            writer.write(line)
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname()[:2])
        yield reader, writer
        writer.close()
        await writer.wait_closed()


async def test_an_answer_that_came_while_the_loop_was_held_up_is_not_late(
    echo: tuple[asyncio.StreamReader, asyncio.StreamWriter],
) -> None:
    reader, writer = echo
    async with loop_timeout(0.5):
        writer.write(b"hello\n")
        # Holds the loop up for longer than the limit, as a large message or a busy machine does.
        asyncio.get_running_loop().call_soon(time.sleep, 0.75)
        assert await reader.readline() == b"hello\n"


async def test_what_never_answers_is_given_up_after_the_limit() -> None:
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        async with loop_timeout(0.1):
            await asyncio.Event().wait()
    assert time.monotonic() - began >= 0.1


async def test_a_cancellation_stays_one() -> None:
    async def wait() -> None:
        async with loop_timeout(60):
            await asyncio.Event().wait()

    waiting = asyncio.create_task(wait())
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
