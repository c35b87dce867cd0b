"""weft ingest, search."""

from pathlib import Path
from typing import Annotated

import typer

from weft_client.failures import FAILED, CommandFailed, reporting
from weft_client.ingest import find_files, ingest_files
from weft_client.render import hits_list, print_json
from weft_client.session import AsJson, Session, aside, out

app = typer.Typer()
Collection = Annotated[str, typer.Option("--collection", "-c", help="The collection.")]


@app.command()
@reporting
async def ingest(
    context: typer.Context,
    paths: Annotated[list[Path], typer.Argument(help="Files, and folders to search for documents.", exists=True)],
    collection: Collection,
    *,
    as_json: AsJson = False,
) -> int:
    """Store documents in a collection, which is made when it is missing."""
    files = find_files(paths)
    if not files:
        raise CommandFailed("no text, Markdown, HTML or PDF file there: name a file, or a folder that holds some")
    async with Session.of(context).client() as weft:
        summary = await ingest_files(weft.documents, collection, files, aside() if as_json else out())
    if as_json:
        print_json(summary.as_dict())
    else:
        out().print(summary.line(collection), markup=True)
    return FAILED if summary.failed else 0


@app.command()
@reporting
async def search(
    context: typer.Context,
    query: Annotated[str, typer.Argument(help="What to look for.")],
    collection: Collection,
    top_k: Annotated[int, typer.Option(help="How many passages.", min=1, max=100)] = 5,
    *,
    as_json: AsJson = False,
) -> None:
    """Find the passages that answer a question."""
    async with Session.of(context).client() as weft:
        hits = await weft.documents.search(collection, query, top_k)
    if as_json:
        print_json(hits)
    else:
        out().print(hits_list(hits))
