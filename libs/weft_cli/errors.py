"""How the command line fails: one line that says what to do next, and an exit code.

0    it worked
1    it failed: the call was refused, the job or a file failed, or a part of the mesh is not healthy
2    the command line itself is wrong
3    no mesh answers at the endpoint
130  interrupted
"""

import asyncio
import functools
import sys
from collections.abc import Callable, Coroutine
from typing import ParamSpec

import typer
from rich.console import Console
from rich.markup import escape

from weft.common.v1 import error_pb2
from weft_cli.views.durations import length
from weft_client.budgets import SpentBudget
from weft_client.retry import OutOfPatience, is_silence
from weft_client.transcript import CorruptAnswer
from weft_kit.rpc.errors import WeftError

P = ParamSpec("P")

FAILED = 1
MISUSED = 2
UNREACHABLE = 3
INTERRUPTED = 130

_NEXT_STEPS = {
    error_pb2.ERROR_REASON_UNAUTHENTICATED: "pass --key (operators: --operator-token), or run next to its .weft",
    error_pb2.ERROR_REASON_JOB_NOT_FOUND: "`weft jobs` lists those there are, `weft ingests` those of documents",
    error_pb2.ERROR_REASON_JOB_NOT_OVER: "`weft cancel JOB_ID` ends it",
    error_pb2.ERROR_REASON_DELIVERY_NOT_FOUND: "`weft webhooks list` shows what there is",
    error_pb2.ERROR_REASON_COLLECTION_NOT_FOUND: "`weft collections` lists them, `weft ingest` makes one",
    error_pb2.ERROR_REASON_DOCUMENT_NOT_FOUND: "`weft documents COLLECTION` lists those there are",
    error_pb2.ERROR_REASON_COLLECTION_BUSY: "`weft ingests watch JOB` or `weft ingests cancel JOB`",
}


class CommandFailed(Exception):
    """The command cannot go on; its text is one line for people."""


class CommandMisused(CommandFailed):
    """The command line is wrong in a way that shows only once all of it has been read."""


def reporting(command: Callable[P, Coroutine[None, None, int | None]]) -> Callable[P, None]:
    """Returns an async command as one for typer, which prints failures and sets the exit code."""

    @functools.wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            code = asyncio.run(command(*args, **kwargs))
        except WeftError as error:
            code = _tell(line_of(error), UNREACHABLE if is_silence(error) else FAILED)
        except CommandMisused as mistake:
            code = _tell(str(mistake), MISUSED)
        except (CommandFailed, CorruptAnswer) as failure:
            code = _tell(str(failure), FAILED)
        except KeyboardInterrupt:
            code = INTERRUPTED
        raise typer.Exit(code or 0)

    return run


def warn(line: str) -> None:
    """Writes one line about a failure to stderr."""
    Console(file=sys.stderr, soft_wrap=True, highlight=False).print(f"[red]✗[/red] {escape(line)}")


def line_of(error: WeftError) -> str:
    """Returns an error as one line, with what to do next."""
    if is_silence(error) and not isinstance(error, OutOfPatience):
        return "no mesh answers at the endpoint: start one with `weft up`, or name another with --endpoint"
    step = _next_step(error)
    next_step = f"; {step}" if step else ""
    wait = f" (try again in {length(error.retry_after_s)})" if error.retry_after_s else ""
    return f"{error.reason_name}: {error.message}{next_step}{wait}"


def _next_step(error: WeftError) -> str:
    if SpentBudget.of(error):
        return "`weft usage` shows what is left"
    if call_id := error.metadata.get("call_id"):
        return f"look for call_id={call_id} in the service's log (`weft status` names the folder of a local mesh)"
    if error.reason == error_pb2.ERROR_REASON_INTERNAL:
        return "no call id came with it: look at the gateway's log of this minute"
    return _NEXT_STEPS.get(error.reason, "")


def _tell(line: str, code: int) -> int:
    warn(line)
    return code
