"""Background work ends when it is told to, whatever it does with the first word."""

import asyncio
from contextlib import suppress

from weft_kit.background import ended


async def test_a_loop_that_loses_its_cancellation_is_ended_all_the_same() -> None:
    begun = asyncio.Event()

    async def for_ever() -> None:
        with suppress(asyncio.CancelledError):
            begun.set()
            await asyncio.Event().wait()
        await asyncio.Event().wait()

    task = asyncio.create_task(for_ever())
    await begun.wait()
    async with asyncio.timeout(20):
        await ended(task)

    assert task.cancelled()


async def test_how_work_ended_is_its_own_affair() -> None:
    async def breaks() -> None:
        raise ValueError

    task = asyncio.create_task(breaks())
    await asyncio.sleep(0)
    await ended(task)

    assert isinstance(task.exception(), ValueError)
    await ended()
