"""Threads reserved for searches, so that other work in threads cannot delay them."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

# What runs here takes milliseconds and is bounded by its input, so a search that was abandoned keeps none for long.
_threads: Final = ThreadPoolExecutor(max_workers=4, thread_name_prefix="search")


async def in_search_thread(do: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Returns what a function returns, called in one of the threads for searches."""
    return await asyncio.get_running_loop().run_in_executor(_threads, lambda: do(*args, **kwargs))
