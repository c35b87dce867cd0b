"""weft ingest, ingests, search."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer
from google.protobuf.json_format import Parse, ParseError

from weft.common.v1 import filter_pb2
from weft.job.v1 import job_pb2
from weft_cli.commands.ask_inputs import read_prompt
from weft_cli.commands.default_list_group import ListsByDefault
from weft_cli.commands.examples import examples
from weft_cli.commands.path_arguments import existing_path
from weft_cli.document_files import (
    READ,
    Found,
    find_files,
    told,
)
from weft_cli.errors import (
    FAILED,
    CommandFailed,
    CommandMisused,
    reporting,
)
from weft_cli.file_ingest import FileIngest
from weft_cli.session import (
    AsJson,
    Session,
    aside,
    out,
    present,
)
from weft_cli.views.collections import hits_list
from weft_cli.views.ingests import ingest_record, ingests_table
from weft_cli.views.json_output import print_json
from weft_cli.views.progress import Troubles

app = typer.Typer()
ingests = typer.Typer(help="Ingest jobs: list, watch, show or cancel them.", cls=ListsByDefault)
app.add_typer(ingests, name="ingests")
Collection = Annotated[str, typer.Option("--collection", "-c", help="Name of the collection.")]
_FILTER = '{"condition": {"field": "language", "operator": "OPERATOR_EQUAL", "values": [{"text": "german"}]}}'
JobId = Annotated[str, typer.Argument(help="The ingest job's id.")]


@app.command(
    epilog=examples(
        "ingest handbook --collection handbook",
        "ingest a.md b.pdf -c handbook --skip-duplicates",
        "ingest handbook -c handbook --language german",
        "ingest handbook -c handbook --detach",
    )
)
@reporting
async def ingest(
    context: typer.Context,
    paths: Annotated[
        list[Path],
        typer.Argument(help="Files, or folders to search for documents.", parser=existing_path),
    ],
    collection: Collection,
    *,
    detach: Annotated[bool, typer.Option("--detach", help="Print the job's id instead of waiting for it.")] = False,
    skip_duplicates: Annotated[
        bool,
        typer.Option("--skip-duplicates", help="Leave out files whose content is already stored under another name."),
    ] = False,
    language: Annotated[
        str,
        typer.Option(
            "--language", help="Language for stemming, as in `weft collections language`. Default: the collection's."
        ),
    ] = "",
    as_json: AsJson = False,
) -> int:
    """Store documents in a collection, which is created if it does not exist.

    Reads text, Markdown, HTML, PDF, Word, PowerPoint, Excel, CSV, JSON and
    code. A durable job stores the documents: once the files are sent, it goes
    on by itself, and `weft ingests watch JOB` shows its progress.
    """
    found = find_files(paths)
    if not found.files:
        raise CommandFailed("; ".join(_why_nothing(found)))
    async with Session.of(context).client(Troubles(aside())) as weft:
        run = FileIngest(weft, collection, found, aside() if as_json or detach else out(), language=language)
        job_id = await run.begin(skip_duplicates=skip_duplicates)
        ended = await run.watch(job_id) if job_id and not detach else None
    _show_ingest(run, collection, job_id, waited=ended is not None, as_json=as_json)
    if ended is not None and ended.state != job_pb2.JOB_STATE_SUCCEEDED:
        raise CommandFailed(f"job {job_id}: {ended.error.message}")
    return FAILED if run.summary.failed else 0


def _show_ingest(run: FileIngest, collection: str, job_id: str, *, waited: bool, as_json: bool) -> None:
    """Shows the outcome for the files, or only the job's id if its end was not waited for."""
    if as_json:
        print_json(run.summary.as_dict())
    elif waited:
        out().print(run.summary.line(collection), markup=True)
    else:
        out().print(job_id or run.summary.line(collection), markup=not job_id)


def _why_nothing(found: Found) -> Iterator[str]:
    yield from (f"{name}: {why}" for name, why in found.refused.items())
    yield from told(found.skipped)
    if not (found.refused or found.skipped):
        yield f"no document there: name a file, or a folder that holds some; {READ}"


@ingests.command("list", epilog=examples("ingests", "ingests list --limit 5 --json"))
@reporting
async def list_ingests(
    context: typer.Context,
    limit: Annotated[int, typer.Option(help="How many to list, newest first.", min=1)] = 20,
    *,
    as_json: AsJson = False,
) -> None:
    """List ingest jobs, up to a day after their end; `list` may be omitted: `weft ingests`."""
    async with Session.of(context).client() as weft:
        found = await weft.ingests.jobs(limit)
    present(found, ingests_table, as_json=as_json)


@ingests.command(epilog=examples("ingests watch JOB"))
@reporting
async def watch(context: typer.Context, job_id: JobId, *, as_json: AsJson = False) -> int:
    """Show an ingest job's progress until its end, then its record; exit code 1 unless every document was stored."""
    async with Session.of(context).client(Troubles(aside())) as weft:
        ended = await FileIngest(weft, "", Found(), aside()).watch(job_id)
    present(ended, ingest_record, as_json=as_json)
    return FAILED if ended.progress.failed or ended.state != job_pb2.JOB_STATE_SUCCEEDED else 0


@ingests.command(epilog=examples("ingests show JOB --json"))
@reporting
async def show(context: typer.Context, job_id: JobId, *, as_json: AsJson = False) -> None:
    """Show the record of an ingest job."""
    async with Session.of(context).client() as weft:
        found = await weft.ingests.job(job_id)
    present(found, ingest_record, as_json=as_json)


@ingests.command(epilog=examples("ingests cancel JOB --message 'the wrong folder'"))
@reporting
async def cancel(
    context: typer.Context,
    job_id: JobId,
    message: Annotated[str, typer.Option("--message", "-m", help="The reason, for the record.")] = "",
    *,
    as_json: AsJson = False,
) -> None:
    """Cancel an ingest job; what it has stored stays stored."""
    async with Session.of(context).client() as weft:
        found = await weft.ingests.cancel(job_id, message)
    present(found, ingest_record, as_json=as_json)


@app.command(
    epilog=examples(
        "search 'Who keeps the light?' -c handbook --top-k 3",
        "search 'the keeper and the sea' -c handbook --feedback",
        "search 'Who keeps the light?' -c handbook --filter @filter.json",
        f"search 'Wer hütet das Licht?' -c handbook --filter '{_FILTER}'",
    )
)
@reporting
async def search(
    context: typer.Context,
    query: Annotated[str, typer.Argument(help="What to look for.")],
    collection: Collection,
    top_k: Annotated[int, typer.Option(help="Number of passages.", min=1, max=100)] = 5,
    *,
    feedback: Annotated[
        bool | None,
        typer.Option(
            help="Search again with words of the best passages, or do not. Default: the service's setting.",
            show_default=False,
        ),
    ] = None,
    only: Annotated[
        str,
        typer.Option(
            "--filter",
            help="Search only the documents that this JSON selects; @PATH reads it from a file, - from stdin.",
        ),
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Find the passages that answer a question."""
    selected = _filter(only) if only else None
    async with Session.of(context).client() as weft:
        hits = await weft.documents.search(collection, query, top_k, only=selected, feedback=feedback)
    present(hits, hits_list, as_json=as_json)


def _filter(given: str) -> filter_pb2.Filter:
    try:
        return Parse(read_prompt(given, "filter"), filter_pb2.Filter())
    except ParseError as error:
        why = " ".join(str(error).split()).rstrip(".")
        raise CommandMisused(f"--filter is no filter: {why}; write it like {_FILTER}") from None
