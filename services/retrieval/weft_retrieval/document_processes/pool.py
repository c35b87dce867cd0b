"""Which document gets a process, for how long, and what it means if the process ends before the document is read."""

import asyncio
import math
import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

import structlog
from prometheus_client import Counter, Gauge

from weft_kit.rpc.errors import Invalid, Overloaded, WeftError
from weft_retrieval.document_processes.control import NOT_FORKED, OUT_OF_MEMORY
from weft_retrieval.document_processes.fork_client import ForkClient, ForkedProcess, ServerLost
from weft_retrieval.document_processes.kept import KeptProcesses
from weft_retrieval.document_processes.messages import (
    HEADER,
    AnalysedChunk,
    Broken,
    FoundDocument,
    Message,
    ProcessEnd,
    ReadDocument,
    ReadOrder,
    ReadRefusal,
    Task,
    decoder,
    encoded,
)
from weft_retrieval.fair_share import FairShare
from weft_retrieval.formats import unreadable

CUT_SHORT = Counter(
    "weft_retrieval_documents_cut_short",
    "Documents whose process ended before they were read, by why: time, memory, size, crash, left, lost.",
    ["why"],
)
WAITING = Gauge("weft_retrieval_documents_waiting", "Documents that wait for a process.")
READING = Gauge("weft_retrieval_documents_in_process", "Documents that are being read, in a process each.")

_BY_THE_CLOCK: Final = 10
"""How much longer than its CPU time a document may take in wall-clock time: the machine may be busy."""
_MIB: Final = 1024 * 1024
_LONGEST_REFUSAL: Final = 1000
_SMALL_BYTES: Final = 256 * 1024
"""A process that read no more than this still has its memory budget; after more, forking a new one costs little in
comparison."""
_DAMAGED: Final = "its reader broke on it; save it again, or send its text alone"


@dataclass(frozen=True, slots=True)
class ProcessLimits:
    """The limits on documents, each and together."""

    processes: int
    cpu_s: float
    cpu_s_per_mib: float
    memory_bytes: int
    result_bytes: int
    waiting_bytes: int

    def cpu_s_of(self, content_bytes: int) -> int:
        """Returns the CPU time a document may take, in whole seconds."""
        return math.ceil(self.cpu_s + self.cpu_s_per_mib * content_bytes / _MIB)


class _TooMuch(Exception):
    """The output exceeds its limit."""


class DocumentProcesses:
    """Reads documents in separate processes, while its context lasts."""

    def __init__(self, fork_server: Sequence[str], limits: ProcessLimits) -> None:
        self._client = ForkClient(fork_server)
        self._limits = limits
        self._kept = KeptProcesses(limits.processes, self._client.kill)
        self._places = FairShare(limits.processes)
        self._waiting_bytes = FairShare(limits.waiting_bytes)

    async def __aenter__(self) -> Self:
        await self._client.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._kept.end()
        await self._client.__aexit__(kind, error, trace)

    async def read(self, tenant: str, order: ReadOrder, content: bytes) -> ReadDocument:
        """Reads a document when it is the tenant's turn. A cancelled caller leaves nothing behind.

        Raises Invalid(UNREADABLE_DOCUMENT) when it cannot be read, or not within its limits, and Overloaded.
        """
        with self._queued(tenant, len(content)), WAITING.track_inprogress():
            await self._places.take(tenant)
        child: ForkedProcess | None = None
        try:
            with READING.track_inprogress():
                if (child := self._kept.take(tenant)) and (read := await self._read_again(child, order, content)):
                    return read
                child = await self._client.fork(self._limits.memory_bytes)
                return await self._read(child, order, content)
        except asyncio.CancelledError:
            CUT_SHORT.labels("left").inc()
            raise
        finally:
            self._free(tenant, child, len(content))

    def _free(self, tenant: str, child: ForkedProcess | None, content_bytes: int) -> None:
        """Frees the tenant's place, once the process is gone or waits for the next document."""
        if child is None:
            self._places.give_back(tenant)
        elif child.idle and content_bytes <= _SMALL_BYTES:
            self._kept.keep(tenant, child)
            self._places.give_back(tenant)
        else:
            self._client.kill(child)
            child.exited.add_done_callback(lambda _: self._places.give_back(tenant))

    async def _read_again(self, child: ForkedProcess, order: ReadOrder, content: bytes) -> ReadDocument | None:
        """Has a process read another document; None if it ends, since what it read before may be the cause."""
        try:
            async with asyncio.timeout(_BY_THE_CLOCK * self._limits.cpu_s_of(len(content))):
                return await self._conversation(child, order, content)
        except (OSError, EOFError, ValueError, _TooMuch):  # TimeoutError is an OSError
            self._client.kill(child)
            return None

    @contextmanager
    def _queued(self, tenant: str, content_bytes: int) -> Iterator[None]:
        size = min(content_bytes, self._limits.waiting_bytes)
        if not self._waiting_bytes.try_take(tenant, size):
            raise Overloaded("too many documents wait to be read; send fewer at once, and retry", retry_after_s=1.0)
        try:
            yield
        finally:
            self._waiting_bytes.give_back(tenant, size)

    async def _read(self, child: ForkedProcess, order: ReadOrder, content: bytes) -> ReadDocument:
        cpu_s = self._limits.cpu_s_of(len(content))
        try:
            async with asyncio.timeout(_BY_THE_CLOCK * cpu_s):
                return await self._conversation(child, order, content)
        except TimeoutError:
            raise self._cut_short("time", self._too_slow(cpu_s)) from None
        except _TooMuch:
            limit = f"{self._limits.result_bytes // _MIB} MiB"
            problem = f"its text takes more than {limit} once it is cut; split it, or send its text alone"
            raise self._cut_short("size", problem) from None
        except (OSError, EOFError):
            self._client.kill(child)
            raise await self._ended(child, cpu_s) from None
        except ValueError:
            structlog.get_logger().exception("a document's process said what none says", document=order.document_id)
            raise self._cut_short("crash", _DAMAGED) from None

    async def _conversation(self, child: ForkedProcess, order: ReadOrder, content: bytes) -> ReadDocument:
        child.idle = False
        child.told.write(encoded(Task(order, self._limits.cpu_s_of(len(content)), len(content))))
        child.told.write(content)
        await child.told.drain()
        read = await self._heard(child.said)
        child.idle = True
        return read

    async def _heard(self, said: asyncio.StreamReader) -> ReadDocument:
        left = self._limits.result_bytes
        found: FoundDocument | None = None
        chunks: list[AnalysedChunk] = []
        while True:
            decode, size = decoder(await said.readexactly(HEADER.size))
            left -= size
            if left < 0:
                raise _TooMuch
            match decode(await said.readexactly(size)):
                case FoundDocument() as found if not chunks:
                    pass
                case AnalysedChunk() as chunk if found:
                    chunks.append(chunk)
                case ProcessEnd() if found and chunks:
                    return ReadDocument(found.title, found.content_type, found.language, chunks)
                case message:
                    raise _failure(message)

    async def _ended(self, child: ForkedProcess, cpu_s: int) -> WeftError:
        """Returns why a process ended that had more to send."""
        try:
            status = await asyncio.shield(child.exited)
        except ServerLost:
            CUT_SHORT.labels("lost").inc()
            return Overloaded("the processes that read documents are starting again; retry", retry_after_s=1.0)
        if status == NOT_FORKED:
            CUT_SHORT.labels("lost").inc()
            return Overloaded("the machine has no room for another process; retry", retry_after_s=1.0)
        number = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
        if number == signal.SIGXCPU:
            return self._cut_short("time", self._too_slow(cpu_s))
        memory = f"{self._limits.memory_bytes // _MIB} MiB of memory"
        setting = "or allow more with WEFT_RETRIEVAL_DOCUMENT_MEMORY_BYTES"
        if os.WIFEXITED(status) and os.WEXITSTATUS(status) == OUT_OF_MEMORY:
            return self._cut_short("memory", f"reading it takes more than {memory}; split it, {setting}")
        how = signal.Signals(number).name if number else f"code {os.waitstatus_to_exitcode(status)}"
        problem = f"its reader crashed ({how}): it is damaged, or takes more than {memory}; save it again, {setting}"
        return self._cut_short("crash", problem)

    def _too_slow(self, cpu_s: int) -> str:
        return (
            f"reading it takes more than {cpu_s} s of CPU time; split it, send its text alone, or allow more with"
            " WEFT_RETRIEVAL_DOCUMENT_CPU_S"
        )

    def _cut_short(self, why: str, problem: str) -> Invalid:
        CUT_SHORT.labels(why).inc()
        return unreadable(f"the document cannot be read: {problem}")


class ReadingBroke(Exception):
    """A bug of ours, with the traceback of the process it happened in."""


def _failure(message: Message) -> Exception:
    match message:
        case ReadRefusal(text):
            return unreadable(text[:_LONGEST_REFUSAL])
        case Broken(traceback):
            return ReadingBroke(traceback)
        case _:
            return ValueError(f"{type(message).__name__} out of turn")
