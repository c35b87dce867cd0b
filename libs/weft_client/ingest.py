"""Files into a collection: found, sent a few at a time, each one's outcome counted."""

import asyncio
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from weft.retrieval.v1 import retrieval_pb2 as pb
from weft_client.documents import Documents
from weft_kit.errors import WeftError

SUFFIXES = frozenset({".txt", ".text", ".md", ".markdown", ".html", ".htm", ".pdf"})
_AT_ONCE = 4


@dataclass(frozen=True)
class File:
    """A file to send, and the id its document gets."""

    path: Path
    document_id: str


@dataclass
class Summary:
    """What became of the files."""

    outcomes: Counter[str] = field(default_factory=Counter)
    chunks: int = 0
    failed: dict[str, str] = field(default_factory=dict)
    """Document id → why."""

    def count(self, reply: pb.IngestResponse) -> None:
        outcome = pb.IngestResponse.Outcome.Name(reply.outcome).removeprefix("OUTCOME_").lower()
        self.outcomes[outcome] += 1
        self.chunks += reply.document.chunk_count

    def as_dict(self) -> dict[str, object]:
        return {"outcomes": dict(self.outcomes), "chunks": self.chunks, "failed": self.failed}

    def line(self, collection: str) -> str:
        counted = [f"{number} {outcome}" for outcome, number in sorted(self.outcomes.items())]
        failed = [f"[red]{len(self.failed)} failed[/red]"] if self.failed else []
        return f"{escape(collection)}: {', '.join([*counted, *failed])}; {self.chunks} chunks"


def find_files(paths: Iterable[Path]) -> list[File]:
    """Lists named files as they are, and in folders, recursively, those that look like documents."""
    found: dict[Path, File] = {}
    for path in paths:
        if path.is_dir():
            inside = sorted(file for file in path.rglob("*") if file.suffix.lower() in SUFFIXES and file.is_file())
            named = [File(file, file.relative_to(path).as_posix()) for file in inside]
        else:
            named = [File(path, path.name)]
        for file in named:
            found.setdefault(file.path.resolve(), file)
    return list(found.values())


async def ingest_files(documents: Documents, collection: str, files: Sequence[File], console: Console) -> Summary:
    """Sends the files, with a bar on the console; one that fails is named there and does not stop the rest."""
    await documents.ensure_collection(collection)
    summary, places = Summary(), asyncio.Semaphore(_AT_ONCE)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        bar = progress.add_task("ingesting", total=len(files))

        async def send(file: File) -> None:
            async with places:
                await _send(documents, collection, file, summary, progress)
            progress.advance(bar)

        async with asyncio.TaskGroup() as group:
            for file in files:
                group.create_task(send(file))
    return summary


async def _send(documents: Documents, collection: str, file: File, summary: Summary, progress: Progress) -> None:
    try:
        content = await asyncio.to_thread(file.path.read_bytes)
        summary.count(await documents.ingest(collection, file.document_id, content))
    except OSError as error:
        summary.failed[file.document_id] = error.strerror or "cannot be read"
    except WeftError as error:
        summary.failed[file.document_id] = f"{error.reason_name}: {error.message}"
    else:
        return
    line = f"[red]✗[/red] {escape(file.document_id)}: {escape(summary.failed[file.document_id])}"
    progress.console.print(line, markup=True, soft_wrap=True)
