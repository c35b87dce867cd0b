"""weft job, cancel, jobs."""

from collections.abc import Mapping
from contextlib import aclosing
from pathlib import Path
from typing import Annotated

import typer

from weft.job.v1 import job_pb2
from weft_cli.commands.ask_inputs import labels as read_labels
from weft_cli.commands.ask_inputs import read_stdin, read_text
from weft_cli.commands.default_list_group import ListsByDefault
from weft_cli.commands.enum_options import choices, chosen, completing
from weft_cli.commands.examples import examples
from weft_cli.commands.path_arguments import any_path
from weft_cli.errors import (
    FAILED,
    CommandFailed,
    CommandMisused,
    reporting,
)
from weft_cli.session import (
    AsJson,
    Session,
    aside,
    out,
    present,
)
from weft_cli.views.events import event_line
from weft_cli.views.jobs import (
    job_record,
    jobs_table,
    outcome_line,
    whole_job,
)
from weft_cli.views.json_output import outcome_json, print_json, print_json_line
from weft_client.batches import Outcome
from weft_client.client import WeftClient
from weft_kit.rpc.errors import WeftError

app = typer.Typer()
jobs = typer.Typer(help="Jobs: list or delete them, wait for one, submit a file of requests.", cls=ListsByDefault)
app.add_typer(jobs, name="jobs")
JobId = Annotated[str, typer.Argument(help="The job's id.")]
_STATES = choices(job_pb2.JobState, "JOB_STATE_")
_PRIORITIES = choices(job_pb2.Priority, "PRIORITY_")


@jobs.command(
    "list",
    epilog=examples(
        "jobs", "jobs --state failed --state expired --limit 50", "jobs list --label run=7 --priority low --json"
    ),
)
@reporting
async def list_jobs(
    context: typer.Context,
    state: Annotated[
        list[str] | None,
        typer.Option(help="Only jobs in this state, such as failed; repeatable.", autocompletion=completing(_STATES)),
    ] = None,
    model: Annotated[list[str] | None, typer.Option(help="Only jobs of this model alias; repeatable.")] = None,
    priority: Annotated[
        list[str] | None,
        typer.Option(
            help="Only jobs of this priority: high, normal or low; repeatable.", autocompletion=completing(_PRIORITIES)
        ),
    ] = None,
    label: Annotated[list[str] | None, typer.Option(help="Only jobs with this label, key=value; repeatable.")] = None,
    request_id: Annotated[str, typer.Option(help="Only the job with this request id.")] = "",
    limit: Annotated[int, typer.Option(help="How many to list, newest first.", min=1)] = 20,
    *,
    as_json: AsJson = False,
) -> None:
    """List jobs; `list` may be omitted: `weft jobs --state failed`."""
    states = chosen("state", _STATES, state)
    priorities = chosen("priority", _PRIORITIES, priority)
    labels = read_labels(label or ())
    async with Session.of(context).client() as weft:
        found = await weft.jobs(
            limit, states, models=model or (), priorities=priorities, labels=labels, request_id=request_id
        )
    present(found, jobs_table, as_json=as_json)


@jobs.command(epilog=examples("jobs wait JOB --limit-s 60"))
@reporting
async def wait(
    context: typer.Context,
    job_id: JobId,
    limit_s: Annotated[float, typer.Option(help="Longest wait in seconds.", min=0)] = 24 * 3600.0,
    *,
    as_json: AsJson = False,
) -> int:
    """Wait until a job ends and show its record; exit code 1 unless it succeeded."""
    async with Session.of(context).client() as weft:
        found = await weft.wait(job_id, limit_s)
    present(found, job_record, as_json=as_json)
    return 0 if found.state == job_pb2.JOB_STATE_SUCCEEDED else FAILED


@jobs.command(epilog=examples("jobs submit-many requests.jsonl --batch nightly", "jobs submit-many - --json"))
@reporting
async def submit_many(
    context: typer.Context,
    file: Annotated[
        Path, typer.Argument(help="File with one request per line, as JSON; - reads stdin.", parser=any_path)
    ],
    batch: Annotated[
        str, typer.Option(help="Name of the batch; submitting the same file under it again adds no job twice.")
    ] = "",
    *,
    as_json: AsJson = False,
) -> int:
    """Submit a file of requests and leave them running; exit code 1 if any is refused.

    A line is {"prompt": "Who keeps the light?", "max_tokens": 60}, with the request's options of `weft ask` named as
    in Python: model, system, history, max_tokens, stop, seed, json_schema, tools, labels, priority, webhook_url, … It
    may also be a GenerationRequest as proto JSON. Both may have a "request_id".
    """
    from weft_cli.batch_file import read_batch  # costs a tenth of a second, which no other command needs

    try:
        requests = read_batch(_lines(file), batch)
    except ValueError as unreadable:
        raise CommandFailed(f"{file}: {unreadable}; nothing was submitted") from None
    async with Session.of(context).client() as weft:
        outcomes = dict(zip(requests, await weft.submit_many(requests.values()), strict=True))
    _show_outcomes(outcomes, as_json=as_json)
    return FAILED if any(isinstance(outcome, WeftError) for outcome in outcomes.values()) else 0


@jobs.command(epilog=examples("jobs delete JOB"))
@reporting
async def delete(
    context: typer.Context,
    job_ids: Annotated[list[str], typer.Argument(help="The jobs' ids.", metavar="JOB_ID")],
) -> None:
    """Delete jobs that have ended, and their answers, wherever they are kept; `weft cancel` ends one that runs."""
    async with Session.of(context).client() as weft:
        for job_id in job_ids:
            await weft.delete_job(job_id)
            out().print(f"{job_id} is deleted", soft_wrap=True)


@app.command(epilog=examples("job JOB", "job JOB --events", "job JOB --events --follow --json"))
@reporting
async def job(
    context: typer.Context,
    job_id: JobId,
    *,
    events: Annotated[bool, typer.Option("--events", help="Show the job's log instead, event by event.")] = False,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="With --events: go on until the job ends.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show a job in full: what was asked, how it went, every attempt, and its text so far.

    With --events, --json prints one event per line.
    """
    if follow and not events:
        raise CommandMisused("--follow goes with --events; `weft tail JOB` follows a job's text")
    async with Session.of(context).client() as weft:
        found = await weft.job(job_id)
        if events:
            await _show_events(weft, found, follow=follow, as_json=as_json)
            return
    present(found, whole_job, as_json=as_json)


@app.command(epilog=examples("cancel JOB --message 'asked by mistake'"))
@reporting
async def cancel(
    context: typer.Context,
    job_id: JobId,
    message: Annotated[str, typer.Option("--message", "-m", help="The reason, for the record.")] = "",
    *,
    as_json: AsJson = False,
) -> None:
    """Cancel a job."""
    async with Session.of(context).client() as weft:
        found = await weft.cancel(job_id, message)
    present(found, job_record, as_json=as_json)
    if found.HasField("end_time") and found.state != job_pb2.JOB_STATE_CANCELLED:
        aside().print("it was over already: nothing was cancelled")


async def _show_events(weft: WeftClient, job: job_pb2.Job, *, follow: bool, as_json: bool) -> None:
    """Prints the events in a job's log so far; with `follow`, also those until its end."""
    console = out()
    async with aclosing(weft.events(job.job_id)) as events:
        async for event in events:
            if as_json:
                print_json_line(event)
            else:
                console.print(event_line(event), soft_wrap=True)
            if event.sequence >= job.last_sequence and not follow:
                return


def _lines(file: Path) -> list[str]:
    if str(file) == "-":
        return read_stdin().split("\n")
    return read_text(file).split("\n")


def _show_outcomes(outcomes: Mapping[int, Outcome], *, as_json: bool) -> None:
    if as_json:
        print_json([outcome_json(line, outcome) for line, outcome in outcomes.items()])
        return
    for line, outcome in outcomes.items():
        out().print(outcome_line(line, outcome), soft_wrap=True)
    refused = sum(isinstance(outcome, WeftError) for outcome in outcomes.values())
    aside().print(f"{len(outcomes) - refused} accepted, {refused} refused")
