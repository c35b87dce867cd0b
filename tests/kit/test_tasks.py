"""Background work ends when it is told to, whatever it does with the first word."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

import pytest
from structlog.testing import capture_logs

from weft_kit.rpc.errors import DependencyDown
from weft_kit.tasks import TaskSet, ended, for_ever, regularly, running, together, unbroken


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


class Flaky:
    """Work that fails twice, and sets `third` when it is tried once more."""

    def __init__(self) -> None:
        self.tries = 0
        self.third = asyncio.Event()

    async def __call__(self) -> int:
        self.tries += 1
        if self.tries == 3:
            self.third.set()
        if self.tries < 3:
            raise ValueError("broken")
        return 0


async def test_a_task_that_fails_starts_again_while_its_context_lasts() -> None:
    work = Flaky()

    async def run() -> None:
        await work()
        await asyncio.Event().wait()

    with capture_logs() as lines:
        async with asyncio.timeout(20), running("recorder", run):
            await work.third.wait()
    told = [(line["event"], line["task"], line["error"]) for line in lines]
    assert told == [("task failed and starts again", "recorder", "broken")]
    assert work.tries == 3


async def test_a_duty_is_done_at_once_again_while_there_is_work_and_after_a_pause_when_it_fails() -> None:
    left, done, idle = 3, 0, asyncio.Event()

    async def do() -> int:
        nonlocal left, done
        if not left:
            idle.set()
            return 0
        left, done = left - 1, done + 1
        return 1

    async with regularly("tidy up", do, every_s=60), asyncio.timeout(20):
        await idle.wait()
    assert done == 3

    flaky = Flaky()
    with capture_logs() as lines:
        async with asyncio.timeout(20), regularly("tidy up", flaky, every_s=0.01):
            await flaky.third.wait()
            await asyncio.sleep(0)
    assert [line["event"] for line in lines] == ["cannot tidy up", "can tidy up again"]


@pytest.mark.parametrize(("leave", "said"), [(TaskSet.finish, ["through"]), (TaskSet.drop, ["ended"])])
async def test_tasks_nobody_waited_for_are_waited_for_or_ended_on_leaving(
    leave: Callable[[TaskSet], Awaitable[None]], said: list[str]
) -> None:
    heard = []

    async def work() -> None:
        try:
            await asyncio.sleep(0.05)
            heard.append("through")
        except asyncio.CancelledError:
            heard.append("ended")

    tasks = TaskSet()
    tasks.start(work())
    await tasks.wait(0)
    assert (len(tasks), heard) == (1, [])
    await leave(tasks)
    assert heard == said
    await asyncio.sleep(0)
    assert len(tasks) == 0


async def test_work_that_must_not_stop_half_way_passes_the_cancellation_on() -> None:
    steps, may_end = [], asyncio.Event()

    async def work() -> None:
        steps.append("begun")
        await may_end.wait()
        steps.append("through")

    task = asyncio.create_task(unbroken(work()))
    await asyncio.sleep(0.01)
    task.cancel()
    await asyncio.sleep(0.01)
    may_end.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert steps == ["begun", "through"]


async def test_the_first_failure_ends_the_others_and_is_raised_as_it_is() -> None:
    async def give(value: int) -> int:
        return value

    async def fail() -> int:
        raise ValueError("broken")

    assert await together(give(value) for value in range(3)) == [0, 1, 2]
    waiting = asyncio.create_task(asyncio.Event().wait())
    with pytest.raises(ValueError, match="broken"):
        await together([asyncio.wait_for(waiting, None), fail()])
    assert waiting.cancelled()
