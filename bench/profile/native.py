"""Samples below Python: which shared object a service's time goes to, and what nats-server does with its own.

`perf` reads them (Debian: linux-perf), by the CPU's clock, so that time in which a process waits does not count.
"""

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

_SAMPLES_A_SECOND: Final = 499
_OTHERS: Final = "others"

_OBJECTS: Final = (
    (("libpython", "python"), "the Python interpreter, with its garbage collector"),
    (("[kernel",), "the kernel"),
    (("cygrpc",), "gRPC, compiled"),
    (("_message.",), "protobuf, compiled"),
    (("loop.cpython",), "uvloop, compiled"),
    (("libc.",), "libc: memory, system calls"),
)
"""Beginnings of the names of shared objects, and what they are."""

_SERVER_WORK: Final = (
    (("processSub", "parseSub", "processUnsub", "unsubscribe"), "subscriptions that begin and end"),
    (("processInboundJetStreamMsg", "processJetStreamMsg", "fileStore", "msgBlock"), "storing messages, with fences"),
    (("consumer", "signalConsumers"), "consumers: what workers and recorder are handed, and their acks"),
    (("deliverMsg", "processMsgResults", "internalLoop"), "passing messages and acks on"),
    (("flushOutbound", "writeLoop"), "writing to connections"),
    (("readLoop", "client).parse"), "reading from connections"),
    (("runtime.",), "Go: its scheduler, timers, memory"),
)
"""Parts of function names, and what a stack does in which one of them stands; the first line that fits counts."""


class Frame(NamedTuple):
    """A function on a stack, and the file it is in."""

    function: str
    file: str


Native = Sequence[Frame]
"""One sample, its innermost function first."""


async def sampled(program: str, pid: int, seconds: int, result: Path) -> list[Native]:
    """Watches a process and returns its samples. Raises OSError if perf is not allowed to, or cannot."""
    record = (*("record", "-q", "-e", "cpu-clock", "-F", str(_SAMPLES_A_SECOND)), *("-g", "-p", str(pid)))
    await _said(program, *record, "-o", str(result), "--", "sleep", str(seconds))
    return list(parsed((await _said(program, "script", "-i", str(result), "-F", "ip,sym,dso")).splitlines()))


def parsed(lines: Iterable[str]) -> Iterator[Native]:
    """Yields the samples of `perf script`: a line for each frame, and an empty one after each sample."""
    frames: list[Frame] = []
    for line in lines:
        if line.strip():
            function, _, file = line.strip().partition(" ")[2].rpartition(" (")
            frames.append(Frame(function, file.removesuffix(")").rpartition("/")[2]))
        elif frames:
            yield frames
            frames = []
    if frames:
        yield frames


def object_of(sample: Native) -> str:
    """Returns what the shared object is whose code ran."""
    return next((name for beginnings, name in _OBJECTS if sample[0].file.startswith(beginnings)), _OTHERS)


def server_work_of(sample: Native) -> str:
    """Returns what nats-server was doing."""
    for parts, name in _SERVER_WORK:
        if any(part in frame.function for frame in sample for part in parts):
            return name
    return "the kernel, on its own" if sample[0].file.startswith("[kernel") else _OTHERS


async def _said(*command: str) -> str:
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    said, complained = await process.communicate()
    if process.returncode:
        message = f"{' '.join(command[:2])} failed: {complained.decode().strip()}"
        raise OSError(message)
    return said.decode()
