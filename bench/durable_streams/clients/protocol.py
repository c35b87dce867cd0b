"""The protocol of writers and readers: commands come in and answers go out as lines of JSON.

Only the standard library is imported, because Temporal's client runs in another virtual environment.
"""

import asyncio
import json
import os
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TextIO

Answer = dict[str, Any]
Handler = Callable[..., AsyncIterator[Answer]]

READING: Answer = {"reading": True}
ENDED: Answer = {"ended": True}
"""Sent before the tokens themselves, so that serializing them does not count as the reader's CPU."""


def now_us() -> int:
    """Returns the time of day in microseconds since 1970, a clock that all processes share."""
    return time.time_ns() // 1000


@dataclass
class Received:
    """What the reader of one stream received: when each token was produced and when it arrived."""

    produced_us: list[int] = field(default_factory=list)
    received_us: list[int] = field(default_factory=list)
    kept: int = 0
    """The number of tokens in the final answer, without those of a withdrawn attempt."""
    wrong: str = ""

    def add(self, produced_us: Iterable[int], at_us: int) -> None:
        """Records tokens that arrived together."""
        for produced in produced_us:
            self.produced_us.append(produced)
            self.received_us.append(at_us)
            self.kept += 1


def received_answer(streams: Iterable[Received]) -> Answer:
    """Returns the answer to a read."""
    return {"received": [vars(stream) for stream in streams]}


def claim_stdout() -> TextIO:
    """Returns standard output for answers only; what libraries print goes to standard error from now on."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return answers


async def serve(handlers: Mapping[str, Handler], answers: TextIO | None = None) -> None:
    """Runs one command after another until standard input ends."""
    answers = answers or claim_stdout()
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    _write({"ready": True}, answers)
    async for line in lines:
        command = json.loads(line)
        async for answer in handlers[command.pop("do")](**command):
            _write(answer, answers)


async def bounded(work: Iterable[Coroutine[Any, Any, None]], limit_s: float) -> None:
    """Runs all coroutines concurrently and cancels those that have not ended in time; raises the first error."""
    tasks = [asyncio.create_task(each) for each in work]
    _, late = await asyncio.wait(tasks, timeout=limit_s)
    for task in late:
        task.cancel()
    ends = await asyncio.gather(*tasks, return_exceptions=True)
    for end in ends:
        if isinstance(end, Exception):
            raise end


async def paced(rate: float, tokens: int) -> AsyncIterator[int]:
    """Yields tokens at a steady rate, each the time at which it is produced; an event loop that is late catches up."""
    began = time.monotonic()
    for n in range(tokens):
        await asyncio.sleep(max(0.0, began + n / rate - time.monotonic()))
        yield now_us()


async def produce(rate: float, tokens: int, append: Callable[[int], Awaitable[None]], acknowledged: list[int]) -> None:
    """Produces tokens at a steady rate, however slow `append` is, and appends them in order."""
    produced: asyncio.Queue[int] = asyncio.Queue()

    async def provide() -> None:
        async for token in paced(rate, tokens):
            produced.put_nowait(token)

    async with asyncio.TaskGroup() as group:
        group.create_task(provide())
        for _ in range(tokens):
            token = await produced.get()
            await append(token)
            acknowledged.append(token)


def _write(answer: Answer, answers: TextIO) -> None:
    answers.write(f"{json.dumps(answer)}\n")
    answers.flush()
