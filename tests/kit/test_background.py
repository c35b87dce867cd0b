"""Background work ends when it is told to, whatever it does with the first word."""

import asyncio
from contextlib import suppress

import pytest
from structlog.testing import capture_logs

from weft_kit.rpc.errors import DependencyDown
from weft_kit.tasks import ended, for_ever


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


@pytest.mark.parametrize(
    ("error", "events"), [(ValueError("broken"), ["cannot work"]), (DependencyDown("nats", "away"), [])]
)
async def test_what_fails_is_tried_again_and_logged_once_unless_somebody_else_tells(
    error: Exception, events: list[str]
) -> None:
    third = asyncio.Event()
    tries = 0

    async def fail() -> None:
        nonlocal tries
        tries += 1
        if tries == 3:
            third.set()
        raise error

    with capture_logs() as lines:
        task = asyncio.create_task(for_ever("work", fail))
        await third.wait()
        await ended(task)
    assert [line["event"] for line in lines] == events
