"""Texts into tokens: beside the event loop, or in it where that is sooner."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

T = TypeVar("T")

_WORTH_A_THREAD_CHARACTERS: Final = 1_000
"""So many take about a millisecond. A question takes a tenth of that, and going to a thread and back twice as long."""
_PART_CHARACTERS: Final = 64_000
"""What a thread reads in one go, some ten milliseconds: a caller's turn, and what one who left still costs."""

_threads: Final = ThreadPoolExecutor(max_workers=4, thread_name_prefix="tokenising")


async def tokenised(
    read: Callable[[Sequence[str]], Sequence[T]], texts: Sequence[str], *, with_each: int = 0
) -> list[T]:
    """Returns what `read` makes of each text; `with_each` is how many characters it reads besides with each.

    Much is read in threads, part by part, so that callers take turns and nobody waits for all that another one sent.
    """
    if sum(map(len, texts)) + with_each * len(texts) < _WORTH_A_THREAD_CHARACTERS:
        return list(read(texts))
    loop = asyncio.get_running_loop()
    done: list[T] = []
    for part in _parts(texts, with_each):
        done += await loop.run_in_executor(_threads, read, part)
    return done


def _parts(texts: Sequence[str], with_each: int) -> Iterator[Sequence[str]]:
    """Yields the texts in order, as many together as fit into a part, and at least one."""
    begin = characters = 0
    for place, text in enumerate(texts):
        characters += len(text) + with_each
        if characters > _PART_CHARACTERS and place > begin:
            yield texts[begin:place]
            begin, characters = place, len(text) + with_each
    yield texts[begin:]
