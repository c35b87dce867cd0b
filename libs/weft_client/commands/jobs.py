"""weft ask, jobs, job, tail, cancel."""

import asyncio
from typing import Annotated

import typer

from weft.job.v1 import job_pb2
from weft_client.client import WeftClient
from weft_client.failures import FAILED, CommandFailed, reporting, warn
from weft_client.generation import Generation
from weft_client.printing import drain, print_answer
from weft_client.render import job_record, jobs_table, print_json
from weft_client.requests import chat
from weft_client.session import AsJson, Session, out

app = typer.Typer()
JobId = Annotated[str, typer.Argument(help="The job's id.")]


@app.command()
@reporting
async def ask(  # noqa: PLR0913 - the options of a question
    context: typer.Context,
    prompt: Annotated[str, typer.Argument(help="What to ask.")],
    collection: Annotated[str, typer.Option("--collection", "-c", help="Find context in this collection.")] = "",
    top_k: Annotated[int | None, typer.Option(help="Passages of context.", min=1, max=20)] = None,
    model: Annotated[str, typer.Option(help="Model alias; see `weft models`.")] = "default",
    system: Annotated[str, typer.Option(help="Instructions for the model.")] = "",
    max_tokens: Annotated[int | None, typer.Option(help="Longest answer in tokens.", min=1, max=1_000_000)] = None,
    temperature: Annotated[float, typer.Option(help="0: may come from the cache.", min=0, max=2)] = 0.0,
    *,
    detach: Annotated[bool, typer.Option("--detach", "-d", help="Print the job's id and leave it running.")] = False,
    as_json: AsJson = False,
) -> int:
    """Ask a question and stream the answer."""
    request = chat(
        prompt,
        model=model,
        system=system,
        collection=collection,
        top_k=top_k,
        max_tokens=max_tokens,
        temperature=temperature,
    )
    async with Session.of(context).client() as weft:
        if detach:
            return _show_submitted(await weft.submit(request), as_json=as_json)
        return await _stream(weft, weft.run(request), as_json=as_json)


@app.command()
@reporting
async def tail(
    context: typer.Context,
    job_id: JobId,
    after: Annotated[int, typer.Option(help="Only what came after this sequence.", min=0)] = 0,
    *,
    as_json: AsJson = False,
) -> int:
    """Stream a job's text, during or after it."""
    async with Session.of(context).client() as weft:
        return await _stream(weft, weft.follow(job_id, after), job_id, as_json=as_json)


@app.command()
@reporting
async def jobs(
    context: typer.Context,
    state: Annotated[list[str] | None, typer.Option(help="Only jobs in this state, e.g. failed; may repeat.")] = None,
    limit: Annotated[int, typer.Option(help="How many, newest first.", min=1)] = 20,
    *,
    as_json: AsJson = False,
) -> None:
    """List jobs."""
    async with Session.of(context).client() as weft:
        found = await weft.jobs(limit, [_state(name) for name in state or ()])
    if as_json:
        print_json(found)
    else:
        out().print(jobs_table(found))


@app.command()
@reporting
async def job(context: typer.Context, job_id: JobId, *, as_json: AsJson = False) -> None:
    """Show a job's record and its text so far."""
    async with Session.of(context).client() as weft:
        found = await weft.job(job_id)
    if as_json:
        print_json(found)
    else:
        out().print(job_record(found))
        out().print(f"\n{found.answer.text}", soft_wrap=True)


@app.command()
@reporting
async def cancel(
    context: typer.Context,
    job_id: JobId,
    message: Annotated[str, typer.Option("--message", "-m", help="Why, for the record.")] = "",
    *,
    as_json: AsJson = False,
) -> None:
    """Stop a job."""
    async with Session.of(context).client() as weft:
        found = await weft.cancel(job_id, message)
    if as_json:
        print_json(found)
    else:
        out().print(job_record(found))


async def _stream(weft: WeftClient, generation: Generation, job_id: str = "", *, as_json: bool) -> int:
    try:
        await (drain(generation) if as_json else print_answer(generation))
    except asyncio.CancelledError:
        if known := job_id or generation.job_id:
            warn(f"the job goes on: `weft tail {known}` shows it, `weft cancel {known}` stops it")
        raise
    record = await weft.job(job_id or generation.job_id)
    if as_json:
        print_json(record)
    else:
        out().print()
        out().print(job_record(record))
    return 0 if record.state == job_pb2.JOB_STATE_SUCCEEDED else FAILED


def _show_submitted(job: job_pb2.Job, *, as_json: bool) -> int:
    if as_json:
        print_json(job)
    else:
        out().print(job.job_id, soft_wrap=True)
    return 0


def _state(name: str) -> job_pb2.JobState.ValueType:
    known = {key.removeprefix("JOB_STATE_").lower(): value for key, value in job_pb2.JobState.items() if value}
    if name.lower() not in known:
        raise CommandFailed(f"no such state: {name}; choose from {', '.join(known)}")
    return known[name.lower()]
