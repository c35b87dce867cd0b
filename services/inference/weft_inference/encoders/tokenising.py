"""Tokenises texts: in threads, or in the event loop where that is faster."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

T = TypeVar("T")

_WORTH_A_THREAD_CHARACTERS: Final = 1_000
"""This many take about a millisecond. A question takes a tenth of that, and a round trip to a thread twice as long."""
_PART_CHARACTERS: Final = 64_000
"""How much a thread reads in one go, some ten milliseconds: one caller's turn, and the most work that is wasted on a
caller that has left."""

_threads: Final = ThreadPoolExecutor(max_workers=4, thread_name_prefix="tokenising")


async def tokenised(
    read: Callable[[Sequence[str]], Sequence[T]], texts: Sequence[str], *, with_each: int = 0
) -> list[T]:
    """Returns the results of `read` for each text; `with_each` is how many more characters it reads with each.

    Large inputs are read in threads, part by part, so that callers take turns and none waits for all of another's.
    """
    if sum(map(len, texts)) + with_each * len(texts) < _WORTH_A_THREAD_CHARACTERS:
        return list(read(texts))
    loop = asyncio.get_running_loop()
    done: list[T] = []
    for part in _parts(texts, with_each):
        done += await loop.run_in_executor(_threads, read, part)
    return done


def _parts(texts: Sequence[str], with_each: int) -> Iterator[Sequence[str]]:
    """Yields the texts in order, in parts of as many as fit, but at least one."""
    begin = characters = 0
    for place, text in enumerate(texts):
        characters += len(text) + with_each
        if characters > _PART_CHARACTERS and place > begin:
            yield texts[begin:place]
            begin, characters = place, len(text) + with_each
    yield texts[begin:]
