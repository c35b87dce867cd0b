"""What `weft demo` shows: it ingests documents, asks about them, and asks again to show the cache."""

from pathlib import Path

from rich.console import Console
from rich.markup import escape

from weft.job.v1 import job_pb2
from weft_cli.document_files import find_files
from weft_cli.errors import FAILED, CommandFailed
from weft_cli.file_ingest import ingest_files
from weft_cli.views.answer import drain, print_answer
from weft_cli.views.jobs import job_record
from weft_client.client import WeftClient
from weft_client.generation import Generation

COLLECTION = "demo"
QUESTION = "What is the name of the supply boat?"


async def demonstrate(weft: WeftClient, documents: Path, question: str, console: Console) -> int:
    """Runs the demo on a mesh that is up; returns the exit code."""
    found = find_files([documents])
    if not found.files:
        raise CommandFailed(f"no documents in {documents}: name a folder that holds some with --documents")
    console.print(f"\n[bold]ingest[/bold] {len(found.files)} documents from {escape(str(documents))}", markup=True)
    summary = await ingest_files(weft, COLLECTION, found, console)
    console.print(summary.line(COLLECTION), markup=True)
    # So that the model answers, even in a mesh that has answered the question before.
    await weft.forget_answers(collection=COLLECTION)

    console.print(f"\n[bold]ask[/bold] {escape(question)}", markup=True)
    generation = _asked(weft, question)
    await print_answer(generation)
    first = await weft.job(generation.job_id)
    console.print()
    console.print(job_record(first))

    console.print("\n[bold]ask again[/bold]", markup=True)
    again = _asked(weft, question)
    await drain(again)
    console.print(job_record(await weft.job(again.job_id)))
    succeeded = first.state == job_pb2.JOB_STATE_SUCCEEDED and not summary.failed
    return 0 if succeeded else FAILED


def _asked(weft: WeftClient, question: str) -> Generation:
    return weft.generate(question, collection=COLLECTION, top_k=2, temperature=0.0, max_tokens=96)
