"""weft ask, tail."""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import Annotated, Any, Literal, TypeAlias

import typer

from weft.gateway.v1 import gateway_pb2
from weft.job.v1 import job_pb2
from weft_client.client import WeftClient
from weft_client.commands.examples import examples
from weft_client.failures import FAILED, CommandFailed, reporting, warn
from weft_client.generation import Generation
from weft_client.images import Picture
from weft_client.path_arguments import any_path
from weft_client.patience import is_unavailable
from weft_client.printing import drain, print_answer
from weft_client.render import print_json
from weft_client.render_jobs import job_record
from weft_client.requests import CacheChoice, ChatOptions, chat
from weft_client.session import AsJson, Session, out
from weft_kit.errors import WeftError

app = typer.Typer()
Read: TypeAlias = Callable[[Generation], Awaitable[None]]
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
_WHOM = "Whom to ask, and how long to wait"
_CACHE = "What may come from the cache"
Tier = Annotated[
    CacheChoice | None,
    typer.Option("--cache", help="Tier that may answer; without it semantic at temperature 0.", rich_help_panel=_CACHE),
]
ShowReasoning = Annotated[bool, typer.Option("--show-reasoning", help="Write what the model thinks to stderr.")]
Draft = Annotated[bool, typer.Option("--draft", help="Show a draft until the answer begins.", rich_help_panel=_WHOM)]


def _whom(text: str, least: float | None = None, most: float | None = None) -> Any:
    return typer.Option(help=text, min=least, max=most, rich_help_panel=_WHOM)


def _from_cache(text: str, least: float | None = None, most: float | None = None) -> Any:
    return typer.Option(help=text, min=least, max=most, rich_help_panel=_CACHE)


@app.command()
@reporting
async def ask(  # noqa: PLR0913 - the options of a question
    context: typer.Context,
    prompt: Annotated[str, typer.Argument(help="What to ask.")],
    collection: Annotated[str, typer.Option("--collection", "-c", help="Find context in this collection.")] = "",
    top_k: Annotated[int | None, typer.Option(help="Passages of context.", min=1, max=20)] = None,
    image: Annotated[list[str] | None, typer.Option(help="A file, or an https address; may repeat.")] = None,
    system: Annotated[str, typer.Option(help="Instructions for the model.")] = "",
    max_tokens: Annotated[int | None, typer.Option(help="Longest answer in tokens.", min=1, max=1_000_000)] = None,
    temperature: Annotated[float, typer.Option(help="0: may come from the cache.", min=0, max=2)] = 0.0,
    *,
    cache: Tier = None,
    max_age_s: Annotated[float | None, _from_cache("Oldest answer it may give.", 0, 1e9)] = None,
    min_similarity: Annotated[float | None, _from_cache("How alike its question must be.", 0, 1)] = None,
    tag: Annotated[list[str] | None, _from_cache("For `weft cache invalidate --tag`; may repeat.")] = None,
    model: Annotated[str, _whom("Model alias; see `weft models`.")] = "default",
    prefer_region: Annotated[str, _whom("Ask providers in this region before others.")] = "",
    first_of: Annotated[int | None, _whom("Ask so many providers at once.", 1, 8)] = None,
    draft: Draft = False,
    timeout_s: Annotated[float | None, _whom("Life of the job, queue included.", 1, 86_400)] = None,
    first_token_s: Annotated[float | None, _whom("Longest wait for a first token.", 0.001, 86_400)] = None,
    between_tokens_s: Annotated[float | None, _whom("Longest wait for the next one.", 0.001, 86_400)] = None,
    total_s: Annotated[float | None, _whom("Longest attempt.", 0.001, 86_400)] = None,
    on_disconnect: Annotated[
        Literal["detach", "cancel", "detach-for"], typer.Option(help="What becomes of the job when you leave.")
    ] = "detach",
    detach_for_s: Annotated[
        float, typer.Option(help="With detach-for: seconds it goes on unread.", min=1, max=3600)
    ] = 60.0,
    detach: Annotated[bool, typer.Option("--detach", "-d", help="Print the job's id and leave it running.")] = False,
    show_reasoning: ShowReasoning = False,
    as_json: AsJson = False,
) -> int:
    """Ask a question and stream the answer."""
    options = ChatOptions(
        model=model,
        system=system,
        images=_pictures(image or ()),
        collection=collection,
        top_k=top_k,
        max_tokens=max_tokens,
        temperature=temperature,
        cache=cache,
        max_age_s=max_age_s,
        min_similarity=min_similarity,
        tags=tag or (),
        prefer_region=prefer_region,
        first_of=first_of,
        draft=draft,
        timeout_s=timeout_s,
        first_token_s=first_token_s,
        between_tokens_s=between_tokens_s,
        total_s=total_s,
    )
    request = _request(prompt, options)
    policy = _POLICIES[on_disconnect]
    async with Session.of(context).client() as weft:
        if detach:
            return _show_submitted(await weft.submit(request), as_json=as_json)
        unread_s = detach_for_s if on_disconnect == "detach-for" else 0.0
        generation = weft.run(request, on_disconnect=policy, detach_for_s=unread_s)
        read = _reading(as_json=as_json, show_reasoning=show_reasoning)
        return await _stream(weft, generation, "", _LEFT[policy], read, as_json=as_json)


@app.command(epilog=examples("tail JOB", "tail JOB --after 120 --show-reasoning"))
@reporting
async def tail(
    context: typer.Context,
    job_id: Annotated[str, typer.Argument(help="The job's id.")],
    after: Annotated[int, typer.Option(help="Only what came after this sequence.", min=0)] = 0,
    *,
    show_reasoning: ShowReasoning = False,
    as_json: AsJson = False,
) -> int:
    """Stream a job's text, during or after it."""
    read = _reading(as_json=as_json, show_reasoning=show_reasoning)
    async with Session.of(context).client() as weft:
        return await _stream(weft, weft.follow(job_id, after), job_id, _GOES_ON, read, as_json=as_json)


def _pictures(named: Iterable[str]) -> list[Picture]:
    return [name if "://" in name else any_path(name) for name in named]


def _request(prompt: str, options: ChatOptions) -> job_pb2.GenerationRequest:
    try:
        return chat(prompt, **options)
    except OSError as error:
        raise CommandFailed(f"{error.filename} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise CommandFailed(str(error)) from None


def _reading(*, as_json: bool, show_reasoning: bool) -> Read:
    """Returns what reads an answer to its end."""
    if as_json:
        return drain
    return partial(print_answer, aside=sys.stderr if show_reasoning else None)


async def _stream(
    weft: WeftClient, generation: Generation, job_id: str, when_left: str, read: Read, *, as_json: bool
) -> int:
    try:
        await read(generation)
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
