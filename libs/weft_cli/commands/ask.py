"""weft ask, tail."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Annotated, TypeAlias
from uuid import uuid4

import typer

from weft.gateway.v1 import gateway_pb2
from weft.job.v1 import job_pb2
from weft_cli.commands import ask_inputs
from weft_cli.commands.ask_options import AskOptions, Quiet, ShowReasoning
from weft_cli.commands.examples import examples
from weft_cli.commands.option_class import options_from
from weft_cli.errors import (
    FAILED,
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
from weft_client.retry import is_unavailable
from weft_kit.rpc.errors import WeftError

app = typer.Typer()
Read: TypeAlias = Callable[[Generation], Awaitable[None]]
_GOES_ON = "the job goes on: `weft tail {job}` shows it, `weft cancel {job}` stops it"
_UNKNOWN = "whether the job was accepted is unknown: ask the same with --request-id {request_id} to join it if it was"
_LEFT = {
    gateway_pb2.ON_DISCONNECT_DETACH: _GOES_ON,
    gateway_pb2.ON_DISCONNECT_CANCEL: "the job is cancelled: `weft job {job}` shows what there is of it",
    gateway_pb2.ON_DISCONNECT_DETACH_FOR: "the job goes on while somebody reads it: `weft tail {job}` does",
}
_EXAMPLES = (
    'ask "Who keeps the light?" -c handbook',
    "ask @question.txt --system 'Answer in one line.' --max-tokens 60",
    "ask - --system 'Write a commit message.'",
    "ask 'And in winter?' --history talk.jsonl --remember",
    "ask @mail.txt --schema order.json --label run=7 --priority low --webhook https://example.org/done",
    "ask 'Long one' --detach",
)


@app.command(epilog=examples(*_EXAMPLES))
@reporting
@options_from(AskOptions)
async def ask(context: typer.Context, options: AskOptions) -> int:
    """Ask a question and stream the answer."""
    options.check()
    request = options.request()
    as_json, show_reasoning = options.as_json, options.show_reasoning
    waiting = _waiting(as_json=as_json, show_reasoning=show_reasoning, quiet=options.quiet)
    # Chosen here, so that it can be shown when it is not known whether the job was accepted.
    request_id = options.request_id or uuid4().hex
    policy = options.disconnect_policy
    async with Session.of(context).client(waiting) as weft:
        if options.detach:
            return _show_submitted(await weft.submit(request, request_id), as_json=as_json)
        generation = weft.run(request, request_id, on_disconnect=policy, detach_for_s=options.unread_s)
        reading = _Reading(weft, waiting, _reading(as_json=as_json, show_reasoning=show_reasoning), as_json=as_json)
        record = await reading.to_end(generation, _LEFT[policy], request_id=request_id)
    if record.state != job_pb2.JOB_STATE_SUCCEEDED:
        return FAILED
    if options.remember and options.history:
        ask_inputs.append_turn(options.history, request, record.answer)
    return 0


@app.command(epilog=examples("tail JOB", "tail JOB --after 120 --show-reasoning"))
@reporting
async def tail(
    context: typer.Context,
    job_id: Annotated[str, typer.Argument(help="The job's id.")],
    after: Annotated[
        int, typer.Option(help="Begin after this sequence number, as `weft job JOB --events` shows it.", min=0)
    ] = 0,
    *,
    show_reasoning: ShowReasoning = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> int:
    """Stream a job's text, while it runs or afterwards."""
    waiting = _waiting(as_json=as_json, show_reasoning=show_reasoning, quiet=quiet)
    async with Session.of(context).client(waiting) as weft:
        reading = _Reading(weft, waiting, _reading(as_json=as_json, show_reasoning=show_reasoning), as_json=as_json)
        record = await reading.to_end(weft.follow(job_id, after), _GOES_ON, job_id)
    return 0 if record.state == job_pb2.JOB_STATE_SUCCEEDED else FAILED


def _waiting(*, as_json: bool, show_reasoning: bool, quiet: bool) -> Steps:
    writes_here = not as_json and sys.stdout.isatty()
    return Steps(aside(), writes_here=writes_here, shows_reasoning=show_reasoning, quiet=quiet)


def _reading(*, as_json: bool, show_reasoning: bool) -> Read:
    """Returns the function that reads an answer to its end."""
    if as_json:
        return drain
    return partial(print_answer, aside=sys.stderr if show_reasoning else None)


class _Reading:
    """Reads a job's answer to its end, and shows the job's record."""

    def __init__(self, weft: WeftClient, waiting: Steps, read: Read, *, as_json: bool) -> None:
        self._weft = weft
        self._waiting = waiting
        self._read = read
        self._as_json = as_json

    async def to_end(
        self, generation: Generation, when_left: str, job_id: str = "", request_id: str = ""
    ) -> job_pb2.Job:
        """Returns the record. If the user leaves, or the gateway is lost, says how to find the job."""
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
