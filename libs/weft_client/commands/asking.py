"""weft ask, tail."""

import asyncio
from typing import Annotated, Literal

import typer

from weft.gateway.v1 import gateway_pb2
from weft.job.v1 import job_pb2
from weft_client.client import WeftClient
from weft_client.failures import FAILED, reporting, warn
from weft_client.generation import Generation
from weft_client.patience import is_unavailable
from weft_client.printing import drain, print_answer
from weft_client.render import job_record, print_json
from weft_client.requests import chat
from weft_client.session import AsJson, Session, out
from weft_kit.errors import WeftError

app = typer.Typer()
_POLICIES = {
    "detach": gateway_pb2.ON_DISCONNECT_DETACH,
    "cancel": gateway_pb2.ON_DISCONNECT_CANCEL,
    "detach-for": gateway_pb2.ON_DISCONNECT_DETACH_FOR,
}
_GOES_ON = "the job goes on: `weft tail {job}` shows it, `weft cancel {job}` stops it"
_LEFT = {
    gateway_pb2.ON_DISCONNECT_DETACH: _GOES_ON,
    gateway_pb2.ON_DISCONNECT_CANCEL: "the job is cancelled: `weft job {job}` shows what there is of it",
    gateway_pb2.ON_DISCONNECT_DETACH_FOR: "the job goes on while somebody reads it: `weft tail {job}` does",
}


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
    on_disconnect: Annotated[
        Literal["detach", "cancel", "detach-for"], typer.Option(help="What becomes of the job when you leave.")
    ] = "detach",
    detach_for_s: Annotated[
        float, typer.Option(help="With detach-for: seconds it goes on unread.", min=1, max=3600)
    ] = 60.0,
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
    policy = _POLICIES[on_disconnect]
    async with Session.of(context).client() as weft:
        if detach:
            return _show_submitted(await weft.submit(request), as_json=as_json)
        unread_s = detach_for_s if on_disconnect == "detach-for" else 0.0
        generation = weft.run(request, on_disconnect=policy, detach_for_s=unread_s)
        return await _stream(weft, generation, "", _LEFT[policy], as_json=as_json)


@app.command()
@reporting
async def tail(
    context: typer.Context,
    job_id: Annotated[str, typer.Argument(help="The job's id.")],
    after: Annotated[int, typer.Option(help="Only what came after this sequence.", min=0)] = 0,
    *,
    as_json: AsJson = False,
) -> int:
    """Stream a job's text, during or after it."""
    async with Session.of(context).client() as weft:
        return await _stream(weft, weft.follow(job_id, after), job_id, _GOES_ON, as_json=as_json)


async def _stream(weft: WeftClient, generation: Generation, job_id: str, when_left: str, *, as_json: bool) -> int:
    try:
        await (drain(generation) if as_json else print_answer(generation))
    except asyncio.CancelledError:
        _say_where(job_id or generation.job_id, when_left)
        raise
    except WeftError as failure:
        if is_unavailable(failure):
            _say_where(job_id or generation.job_id, _GOES_ON)
        raise
    record = await weft.job(job_id or generation.job_id)
    if as_json:
        print_json(record)
    else:
        out().print()
        out().print(job_record(record))
    return 0 if record.state == job_pb2.JOB_STATE_SUCCEEDED else FAILED


def _say_where(job_id: str, line: str) -> None:
    if job_id:
        warn(line.format(job=job_id))


def _show_submitted(job: job_pb2.Job, *, as_json: bool) -> int:
    if as_json:
        print_json(job)
    else:
        out().print(job.job_id, soft_wrap=True)
    return 0
