"""Several things at once, with one outcome."""

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any, TypeVar

T = TypeVar("T")


async def together(jobs: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """Runs all jobs and returns their results in order. The first failure ends the rest and is raised as it is."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(job) for job in jobs]
    except ExceptionGroup as failures:
        # The boundary knows single errors, not groups.
        raise failures.exceptions[0] from None
    return [task.result() for task in tasks]
