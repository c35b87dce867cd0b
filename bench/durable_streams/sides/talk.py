"""What every writer and reader shares: commands come in and answers go out as lines of JSON, and tokens are paced.

Of the standard library alone: Temporal's side runs in an environment of its own.
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
"""Before what was heard, so that writing it out is not counted as CPU of the stream."""


def now_us() -> int:
    """Returns the time of day in microseconds since 1970, the clock that all sides share."""
    return time.time_ns() // 1000


@dataclass
class Heard:
    """One stream as its reader heard it: when each token was said, when it came, and what stands in the end."""

    said_us: list[int] = field(default_factory=list)
    at_us: list[int] = field(default_factory=list)
    kept: int = 0
    """Tokens of the answer as it stands: those of an attempt that was withdrawn are not."""
    wrong: str = ""

    def add(self, said_us: Iterable[int], at_us: int) -> None:
        """Notes tokens that came together."""
        for said in said_us:
            self.said_us.append(said)
            self.at_us.append(at_us)
            self.kept += 1


def heard_answer(streams: Iterable[Heard]) -> Answer:
    """Returns the answer to a read."""
    return {"heard": [vars(stream) for stream in streams]}


def claim_stdout() -> TextIO:
    """Returns standard output for answers alone: what libraries print there goes to standard error from now on."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return answers


async def serve(handlers: Mapping[str, Handler], answers: TextIO | None = None) -> None:
    """Carries out one command after another, until there are no more."""
    answers = answers or claim_stdout()
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    _write({"ready": True}, answers)
    async for line in lines:
        command = json.loads(line)
        async for answer in handlers[command.pop("do")](**command):
            _write(answer, answers)


async def bounded(work: Iterable[Coroutine[Any, Any, None]], limit_s: float) -> None:
    """Runs all of it together, and breaks off what has not ended in time."""
    tasks = [asyncio.create_task(each) for each in work]
    _, late = await asyncio.wait(tasks, timeout=limit_s)
    for task in late:
        task.cancel()
    ends = await asyncio.gather(*tasks, return_exceptions=True)
    for end in ends:
        if isinstance(end, Exception):
            raise end


async def paced(rate: float, tokens: int) -> AsyncIterator[int]:
    """Says tokens at a steady rate, each the time at which it is said; those of a late loop follow at once."""
    began = time.monotonic()
    for n in range(tokens):
        await asyncio.sleep(max(0.0, began + n / rate - time.monotonic()))
        yield now_us()


async def speak(rate: float, tokens: int, append: Callable[[int], Awaitable[None]], acknowledged: list[int]) -> None:
    """Says tokens at a steady rate, whether or not those before have been appended, and appends them in order."""
    said: asyncio.Queue[int] = asyncio.Queue()

    async def provide() -> None:
        async for token in paced(rate, tokens):
            said.put_nowait(token)

    async with asyncio.TaskGroup() as group:
        group.create_task(provide())
        for _ in range(tokens):
            token = await said.get()
            await append(token)
            acknowledged.append(token)


def _write(answer: Answer, answers: TextIO) -> None:
    answers.write(f"{json.dumps(answer)}\n")
    answers.flush()
