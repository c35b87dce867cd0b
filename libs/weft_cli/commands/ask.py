"""weft ask, tail."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias
from uuid import uuid4

import typer

from weft.gateway.v1 import gateway_pb2
from weft.job.v1 import job_pb2
from weft_cli.commands import ask_inputs
from weft_cli.commands.examples import examples
from weft_cli.commands.path_arguments import any_path
from weft_cli.errors import (
    FAILED,
    CommandMisused,
    reporting,
    warn,
)
from weft_cli.session import (
    AsJson,
    Session,
    aside,
    out,
)
from weft_cli.views.answer import drain, print_answer
from weft_cli.views.jobs import job_record, shortfall
from weft_cli.views.json_output import print_json
from weft_cli.views.progress import Steps
from weft_client.client import WeftClient
from weft_client.generation import Generation
from weft_client.requests import CacheChoice, ChatOptions, OnOutage, PriorityChoice, ToolChoiceName
from weft_client.retry import is_unavailable
from weft_kit.rpc.errors import WeftError

app = typer.Typer()
Read: TypeAlias = Callable[[Generation], Awaitable[None]]
_POLICIES = {
    "detach": gateway_pb2.ON_DISCONNECT_DETACH,
    "cancel": gateway_pb2.ON_DISCONNECT_CANCEL,
    "detach-for": gateway_pb2.ON_DISCONNECT_DETACH_FOR,
}
_GOES_ON = "the job goes on: `weft tail {job}` shows it, `weft cancel {job}` stops it"
_UNKNOWN = "whether the job was accepted is unknown: ask the same with --request-id {request_id} to join it if it was"
_LEFT = {
    gateway_pb2.ON_DISCONNECT_DETACH: _GOES_ON,
    gateway_pb2.ON_DISCONNECT_CANCEL: "the job is cancelled: `weft job {job}` shows what there is of it",
    gateway_pb2.ON_DISCONNECT_DETACH_FOR: "the job goes on while somebody reads it: `weft tail {job}` does",
}
_FORM = "What the answer is to be like"
_TALK = "What the model sees and may call"
_JOB = "The job"
_WHOM = "Whom to ask, how often, and how long to wait"
_CACHE = "What may come from the cache"
_HERE = "What is shown here"
_EXAMPLES = (
    'ask "Who keeps the light?" -c handbook',
    "ask @question.txt --system 'Answer in one line.' --max-tokens 60",
    "ask - --system 'Write a commit message.'",
    "ask 'And in winter?' --history talk.jsonl --remember",
    "ask @mail.txt --schema order.json --label run=7 --priority low --webhook https://example.org/done",
    "ask 'Long one' --detach",
)
Panelled: TypeAlias = Callable[..., Any]


def _panel(name: str) -> Panelled:
    """Returns a function that creates options of one panel of the help."""

    def option(
        text: str,
        *names: str,
        least: float | None = None,
        most: float | None = None,
        metavar: str | None = None,
        parser: Callable[[str], Any] | None = None,
    ) -> Any:
        return typer.Option(
            *names, help=text, min=least, max=most, rich_help_panel=name, metavar=metavar, parser=parser
        )

    return option


_form, _talk, _job, _whom, _cached, _here = map(_panel, (_FORM, _TALK, _JOB, _WHOM, _CACHE, _HERE))
ShowReasoning = Annotated[bool, _here("Write what the model thinks to stderr.", "--show-reasoning")]
Quiet = Annotated[bool, _here("Do not say on stderr what is waited for.", "--quiet", "-q")]


@app.command(epilog=examples(*_EXAMPLES))
@reporting
async def ask(  # noqa: PLR0913, PLR0917 - the options of a question
    context: typer.Context,
    prompt: Annotated[str, typer.Argument(help="What to ask; - reads it from stdin, @PATH from a file.")],
    collection: Annotated[str, _talk("Find context in this collection.", "--collection", "-c")] = "",
    top_k: Annotated[int | None, _talk("Passages of context.", least=1, most=20)] = None,
    image: Annotated[list[str] | None, _talk("A file, or an https address; may repeat.")] = None,
    system: Annotated[str, _talk("Instructions for the model; @PATH reads a file.")] = "",
    history: Annotated[
        Path | None,
        _talk('What was said before: JSON messages {"role", "content"}, a list or one a line.', parser=any_path),
    ] = None,
    tools: Annotated[Path | None, _talk("Tools it may call: JSON, a list or one a line.", parser=any_path)] = None,
    tool_choice: Annotated[ToolChoiceName | None, _talk("Whether it may, must or must not call one.")] = None,
    max_tokens: Annotated[int | None, _form("Longest answer in tokens.", least=1, most=1_000_000)] = None,
    temperature: Annotated[float, _form("0: may come from the cache.", least=0, most=2)] = 0.0,
    top_p: Annotated[float | None, _form("Nucleus mass.", least=0.0001, most=1)] = None,
    stop: Annotated[list[str] | None, _form("Text that ends the answer; may repeat.")] = None,
    seed: Annotated[int | None, _form("Makes sampling repeatable where the provider can.")] = None,
    schema: Annotated[Path | None, _form("File with the JSON Schema of the answer.", parser=any_path)] = None,
    *,
    json_answer: Annotated[bool, _form("Any JSON object is to be the answer.", "--json-answer")] = False,
    request_id: Annotated[str, _job("Asking again under the same id joins the first job.")] = "",
    label: Annotated[list[str] | None, _job("Label of the job, key=value; may repeat.")] = None,
    priority: Annotated[PriorityChoice, _job("Its place among your tenant's own jobs.")] = "normal",
    timeout_s: Annotated[float | None, _job("Life of the job, queue included.", least=1, most=86_400)] = None,
    webhook: Annotated[str, _job("Where to post the record when the job ends.", metavar="URL")] = "",
    on_disconnect: Annotated[
        Literal["detach", "cancel", "detach-for"], _job("What becomes of the job when you leave.")
    ] = "detach",
    detach_for_s: Annotated[float, _job("With detach-for: seconds it goes on unread.", least=1, most=3600)] = 60.0,
    detach: Annotated[bool, _job("Print the job's id and leave it running.", "--detach", "-d")] = False,
    model: Annotated[str, _whom("Model alias; see `weft models`.")] = "default",
    prefer_region: Annotated[str, _whom("Ask providers in this region before others.")] = "",
    first_of: Annotated[int | None, _whom("Ask so many providers at once.", least=1, most=8)] = None,
    draft: Annotated[bool, _whom("Show a draft until the answer begins.", "--draft")] = False,
    first_token_s: Annotated[float | None, _whom("Longest wait for a first token.", least=0.1, most=86_400)] = None,
    between_tokens_s: Annotated[float | None, _whom("Longest wait for the next one.", least=0.1, most=86_400)] = None,
    total_s: Annotated[float | None, _whom("Longest attempt.", least=0.1, most=86_400)] = None,
    max_attempts: Annotated[int | None, _whom("Attempts that may fail; 1: no other.", least=1, most=100)] = None,
    max_backoff_s: Annotated[float | None, _whom("Longest wait between two.", least=0.001, most=86_400)] = None,
    on_outage: Annotated[OnOutage | None, _whom("What to do while all its providers are out.")] = None,
    cache: Annotated[
        CacheChoice | None,
        _cached("Furthest tier that may answer; else, at temperature 0, what the alias says.", "--cache"),
    ] = None,
    max_age_s: Annotated[float | None, _cached("Oldest answer it may give.", least=0, most=1e9)] = None,
    min_similarity: Annotated[float | None, _cached("How alike its question must be.", least=0, most=1)] = None,
    tag: Annotated[list[str] | None, _cached("For `weft cache invalidate --tag`; may repeat.")] = None,
    remember: Annotated[bool, _here("Add question and answer to --history, which may be new.", "--remember")] = False,
    show_reasoning: ShowReasoning = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> int:
    """Ask a question and stream the answer."""
    if remember and (history is None or detach):
        raise CommandMisused(
            "--remember adds to the conversation that --history names, and needs an answer: not --detach"
        )
    if remember and history:
        ask_inputs.check_may_grow(history)
    options = ChatOptions(
        model=model,
        system=ask_inputs.read_prompt(system) if system.startswith("@") else system,
        history=ask_inputs.read_history(history, may_be_new=remember) if history else (),
        images=ask_inputs.pictures(image or ()),
        collection=collection,
        top_k=top_k,
        max_tokens=max_tokens,
        temperature=temperature,
        top_p=top_p,
        stop=stop or (),
        seed=seed,
        json_object=json_answer,
        json_schema=ask_inputs.read_schema(schema) if schema else None,
        tools=ask_inputs.read_tools(tools) if tools else (),
        tool_choice=tool_choice,
        labels=ask_inputs.labels(label or ()),
        priority=None if priority == "normal" else priority,
        webhook_url=webhook,
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
        max_attempts=max_attempts,
        max_backoff_s=max_backoff_s,
        on_outage=on_outage,
    )
    request = ask_inputs.build(ask_inputs.read_prompt(prompt), options)
    waiting = _waiting(as_json=as_json, show_reasoning=show_reasoning, quiet=quiet)
    # Chosen here, so that it can be shown when it is not known whether the job was accepted.
    request_id = request_id or uuid4().hex
    async with Session.of(context).client(waiting) as weft:
        if detach:
            return _show_submitted(await weft.submit(request, request_id), as_json=as_json)
        policy = _POLICIES[on_disconnect]
        unread_s = detach_for_s if on_disconnect == "detach-for" else 0.0
        generation = weft.run(request, request_id, on_disconnect=policy, detach_for_s=unread_s)
        reading = _Reading(weft, waiting, _reading(as_json=as_json, show_reasoning=show_reasoning), as_json=as_json)
        record = await reading.to_end(generation, _LEFT[policy], request_id=request_id)
    if remember and history and record.state == job_pb2.JOB_STATE_SUCCEEDED:
        ask_inputs.append_turn(history, request, record.answer)
    return 0 if record.state == job_pb2.JOB_STATE_SUCCEEDED else FAILED


@app.command(epilog=examples("tail JOB", "tail JOB --after 120 --show-reasoning"))
@reporting
async def tail(
    context: typer.Context,
    job_id: Annotated[str, typer.Argument(help="The job's id.")],
    after: Annotated[int, typer.Option(help="Only what came after this sequence.", min=0)] = 0,
    *,
    show_reasoning: ShowReasoning = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> int:
    """Stream a job's text, during or after it."""
    waiting = _waiting(as_json=as_json, show_reasoning=show_reasoning, quiet=quiet)
    async with Session.of(context).client(waiting) as weft:
        reading = _Reading(weft, waiting, _reading(as_json=as_json, show_reasoning=show_reasoning), as_json=as_json)
        record = await reading.to_end(weft.follow(job_id, after), _GOES_ON, job_id)
    return 0 if record.state == job_pb2.JOB_STATE_SUCCEEDED else FAILED


def _waiting(*, as_json: bool, show_reasoning: bool, quiet: bool) -> Steps:
    writes_here = not as_json and sys.stdout.isatty()
    return Steps(aside(), writes_here=writes_here, shows_reasoning=show_reasoning, quiet=quiet)


def _reading(*, as_json: bool, show_reasoning: bool) -> Read:
    """Returns an object that reads an answer to its end."""
    if as_json:
        return drain
    return partial(print_answer, aside=sys.stderr if show_reasoning else None)


class _Reading:
    """Reads a job's answer to its end, and shows its record."""

    def __init__(self, weft: WeftClient, waiting: Steps, read: Read, *, as_json: bool) -> None:
        self._weft = weft
        self._waiting = waiting
        self._read = read
        self._as_json = as_json

    async def to_end(
        self, generation: Generation, when_left: str, job_id: str = "", request_id: str = ""
    ) -> job_pb2.Job:
        """Returns the record. If the user leaves, or the gateway goes away, says where to find the job."""
        try:
            await self._read(generation)
        except asyncio.CancelledError:
            self._say_where(job_id or generation.job_id, when_left)
            raise
        except WeftError as failure:
            if is_unavailable(failure):
                self._say_where(job_id or generation.job_id, _GOES_ON)
                if request_id and not generation.job_id:
                    self._waiting.stop()
                    warn(_UNKNOWN.format(request_id=request_id))
            raise
        record = await self._weft.job(job_id or generation.job_id)
        self._waiting.stop()
        if self._as_json:
            print_json(record)
        else:
            out().print()
            out().print(job_record(record))
        if why := shortfall(record):
            warn(f"job {record.job_id} {why}")
        return record

    def _say_where(self, job_id: str, line: str) -> None:
        self._waiting.stop()
        if job_id:
            warn(line.format(job=job_id))


def _show_submitted(job: job_pb2.Job, *, as_json: bool) -> int:
    if as_json:
        print_json(job)
    else:
        out().print(job.job_id, soft_wrap=True)
    return 0
