"""A fork server whose processes do what their document tells them, as a parser that was taken over might."""

import ctypes
import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from weft_retrieval.analysis.analysis import AnalysedTerms
from weft_retrieval.chunking.chunking import Chunk
from weft_retrieval.document_processes.fork_server import serve
from weft_retrieval.document_processes.messages import AnalysedChunk, FoundDocument, Message, ProcessEnd, ReadOrder
from weft_retrieval.formats import ContentType

SOCKET = 3


def compute() -> None:
    while True:
        pass


def allocate() -> None:
    kept = []
    while True:
        kept.append(bytes(1024 * 1024))


def say(kind: str, size: str) -> None:
    """Says a frame that none says, with a body that would run a program if it were unpickled."""
    os.write(SOCKET, kind.encode() + int(size).to_bytes(4) + b"\x80\x04cos\nsystem\n.")


def broken() -> None:
    raise RuntimeError("a bug of ours")


def repeat(times: str) -> Iterator[Message]:
    yield FoundDocument("", ContentType.TEXT, "english")
    for _ in range(int(times)):
        yield chunk("x" * 1024)


def look() -> Iterator[Message]:
    """Tells what the process can see."""
    descriptors = [number for number in range(1024) if is_open(number)]
    yield FoundDocument("", ContentType.TEXT, "english")
    yield chunk(f"{sorted(os.environ)} {descriptors}")
    yield ProcessEnd()


def who() -> Iterator[Message]:
    yield FoundDocument("", ContentType.TEXT, "english")
    yield chunk(str(os.getpid()))
    yield ProcessEnd()


def spend(seconds: str) -> None:
    until = time.process_time() + float(seconds)
    while time.process_time() < until:
        pass


DEEDS: dict[str, Callable[..., Iterator[Message] | None]] = {
    "compute": compute,
    "wait": signal.pause,
    "allocate": allocate,
    "crash": lambda: ctypes.string_at(0),
    "exit": lambda code: os._exit(int(code)),
    "break": broken,
    "say": say,
    "repeat": repeat,
    "fork": os.fork,
    "write": lambda path: Path(path).write_text("!"),
    "look": look,
    "who": who,
    "spend": spend,
}


def read(order: ReadOrder, content: bytes) -> Iterator[Message]:
    told = content.decode()
    deed, *how = told.split()
    if deed in DEEDS and (messages := DEEDS[deed](*how)):
        yield from messages
        return
    yield FoundDocument(order.title, ContentType.TEXT, "english")
    yield chunk(told)
    yield ProcessEnd()


def is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True


def chunk(text: str) -> AnalysedChunk:
    return AnalysedChunk(Chunk("0" * 32, 0, text, (), "", (text,)), AnalysedTerms(Counter(), 0))


if __name__ == "__main__":
    serve(read)
