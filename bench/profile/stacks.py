"""Sampled stacks, and the shares that packages and rooms have of them."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

_FRAME: Final = re.compile(r"(?P<function>.*) \((?P<file>[^()]*?)(?::\d+)?\)")
_PROCESS: Final = re.compile(r"process \d+:|thread \(")
"""Lines that py-spy puts at the root of a stack: they are no functions."""
_OWN: Final = "weft_"
_RUNS_THE_LOOP: Final = ("weft_kit/rpc/server.py", "__main__.py")
"""Ends of the files that stand on every stack of the main thread, below the event loop."""
_INTERPRETER: Final = "Python itself"
_STANDARD: Final = {"asyncio": "asyncio", "uvloop": "asyncio", "contextlib.py": "contextlib", "json": "json"}
_DEPTH: Final = 2
"""How many folders name a room: weft_gateway/jobs."""


@dataclass(frozen=True)
class Stack:
    """The files of one stack, the outermost function first, and how often it was met."""

    files: tuple[str, ...]
    samples: int

    @property
    def package(self) -> str:
        """The package whose function ran."""
        return _package(self.files[-1]) if self.files else _INTERPRETER

    @property
    def room(self) -> str:
        """The room of Weft that called what ran; "" where it was the event loop."""
        files = (file for file in reversed(self.files) if file.startswith(_OWN) and not file.endswith(_RUNS_THE_LOOP))
        own = next(files, "")
        return "/".join(own.split("/")[:_DEPTH]).removesuffix(".py")


def parsed(lines: Iterable[str]) -> Iterator[Stack]:
    """Yields the stacks of py-spy's raw format: frames with semicolons between them, a blank, and a number."""
    for line in lines:
        frames, _, samples = line.rpartition(" ")
        files = [match["file"] for frame in frames.split(";") if (match := _function(frame))]
        yield Stack(tuple(files), int(samples))


def shares(counted: Iterable[tuple[str, int]]) -> list[tuple[str, float]]:
    """Returns the share of all samples that each name has, given names with a number of samples; the largest first."""
    counts: Counter[str] = Counter()
    for name, samples in counted:
        counts[name] += samples
    return [(name, count / counts.total()) for name, count in counts.most_common()]


def _function(frame: str) -> re.Match[str] | None:
    return None if _PROCESS.match(frame) else _FRAME.fullmatch(frame)


def _package(file: str) -> str:
    first, _, rest = file.partition("/")
    if first.startswith(_OWN):
        return first
    return _STANDARD.get(first, first if rest else "the standard library")
