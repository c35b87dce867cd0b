"""Ingests files into a collection: they are read as they are sent, and stored by one durable job."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from weft.common.v1 import error_pb2
from weft.job.v1 import ingest_pb2
from weft.retrieval.v1 import retrieval_pb2 as pb
from weft_cli.document_files import Found, told
from weft_client.client import WeftClient

MAX_BYTES = 32 * 1024 * 1024
_OUTCOMES = ("created", "updated", "unchanged", "duplicate")


@dataclass
class Summary:
    """The outcome for all files. `job_id` is empty until their job has begun."""

    outcomes: Counter[str] = field(default_factory=Counter)
    chunks: int = 0
    failed: dict[str, str] = field(default_factory=dict)
    """Document id → reason."""
    skipped: dict[str, str] = field(default_factory=dict)
    """File in a folder that is not a document → reason."""
    job_id: str = ""

    def count(self, progress: ingest_pb2.IngestProgress) -> None:
        counts = {outcome: getattr(progress, outcome) for outcome in _OUTCOMES}
        self.outcomes = Counter({outcome: count for outcome, count in counts.items() if count})
        self.chunks = progress.chunks

    def as_dict(self) -> dict[str, object]:
        return {
            "job_id": self.job_id,
            "outcomes": dict(self.outcomes),
            "chunks": self.chunks,
            "failed": self.failed,
            "skipped": self.skipped,
        }

    def line(self, collection: str) -> str:
        counted = [f"{number} {outcome}" for outcome, number in sorted(self.outcomes.items())]
        failed = [f"[red]{len(self.failed)} failed[/red]"] if self.failed else []
        chunks = f"{self.chunks} chunk{'' if self.chunks == 1 else 's'}"
        return f"{escape(collection)}: {', '.join([*counted, *failed]) or 'nothing stored'}; {chunks}"


class FileIngest:
    """Ingests files into a collection and shows the progress on a console."""

    def __init__(
        self, weft: WeftClient, collection: str, found: Found, console: Console, *, language: str = ""
    ) -> None:
        self._weft = weft
        self._language = language
        self._collection = collection
        self._found = found
        self._console = console
        self.summary = Summary(skipped=found.skipped)

    async def begin(self, *, skip_duplicates: bool = False) -> str:
        """Sends the files and begins their job; returns its id, or "" if no file could be read.

        A missing collection is created once there is a document for it.
        """
        for line in told(self._found.skipped):
            self._console.print(line, soft_wrap=True)
        with _progress(self._console) as progress:
            for name, why in self._found.refused.items():
                self._fail(name, why, progress)
            bar = progress.add_task("sending", total=len(self._found.files))
            readable = self._readable(progress, bar)
            first = await anext(readable, None)
            if first is None:
                return ""
            await self._weft.documents.ensure_collection(self._collection)
            documents = _chained(first, readable)
            job = await self._weft.ingests.begin(self._collection, documents, skip_duplicates=skip_duplicates)
        self.summary.job_id = job.job_id
        return job.job_id

    async def watch(self, job_id: str) -> pb.IngestJob:
        """Shows the job's progress until its end; returns its record."""
        with _progress(self._console) as progress:
            bar = progress.add_task("storing", total=None)
            async for event in self._weft.ingests.watch(job_id):
                told = event.done.ingest.progress if event.HasField("done") else event.progress
                if told.documents:
                    self._tell(told, progress)
                    done = sum(self.summary.outcomes.values()) + told.failed
                    progress.update(bar, total=told.documents, completed=done)
        return await self._weft.ingests.job(job_id)

    def _tell(self, told: ingest_pb2.IngestProgress, progress: Progress) -> None:
        self.summary.count(told)
        for failure in told.failures:
            reason = error_pb2.ErrorReason.Name(failure.error.reason).removeprefix("ERROR_REASON_")
            self._fail(failure.document_id, f"{reason}: {failure.error.message}", progress)

    async def _readable(self, progress: Progress, bar: TaskID) -> AsyncIterator[pb.Document]:
        for file in self._found.files:
            try:
                content = await asyncio.to_thread(_read, file.path)
            except OSError as error:
                self._fail(file.document_id, error.strerror or "cannot be read", progress)
            except ValueError as too_large:
                self._fail(file.document_id, str(too_large), progress)
            else:
                name = file.document_id
                yield pb.Document(document_id=name, source_uri=name, content=content, language=self._language)
            progress.advance(bar)

    def _fail(self, document_id: str, why: str, progress: Progress) -> None:
        if document_id not in self.summary.failed:
            self.summary.failed[document_id] = why
            line = f"[red]✗[/red] {escape(document_id)}: {escape(why)}"
            progress.console.print(line, markup=True, soft_wrap=True)


async def ingest_files(
    weft: WeftClient, collection: str, found: Found, console: Console, *, skip_duplicates: bool = False
) -> Summary:
    """Ingests files and waits until they are stored; files that fail are named on the console, the rest go on."""
    ingest = FileIngest(weft, collection, found, console)
    if job_id := await ingest.begin(skip_duplicates=skip_duplicates):
        await ingest.watch(job_id)
    return ingest.summary


def _progress(console: Console) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=console)


def _read(path: Path) -> bytes:
    size = path.stat().st_size
    if size > MAX_BYTES:
        message = f"it has {size} bytes, and at most {MAX_BYTES} are read; split it"
        raise ValueError(message)
    return path.read_bytes()


async def _chained(first: pb.Document, rest: AsyncIterator[pb.Document]) -> AsyncIterator[pb.Document]:
    yield first
    async for document in rest:
        yield document
