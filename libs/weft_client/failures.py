"""How the command line fails: one line that says what to do next, and an exit code.

0    it worked
1    it did not: the call was refused, the job or a file failed, a part of the mesh is not well
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
from weft_client.budgets import SpentBudget
from weft_client.patience import is_silence
from weft_client.timing import length
from weft_client.transcript import CorruptAnswer
from weft_kit.errors import WeftError

P = ParamSpec("P")

FAILED = 1
UNREACHABLE = 3
INTERRUPTED = 130

_NEXT_STEPS = {
    error_pb2.ERROR_REASON_UNAUTHENTICATED: "pass --key (`weft keys`: --operator-token), or run beside its .weft",
    error_pb2.ERROR_REASON_JOB_NOT_FOUND: "`weft jobs` lists what there is",
    error_pb2.ERROR_REASON_JOB_NOT_OVER: "`weft cancel JOB_ID` ends it",
    error_pb2.ERROR_REASON_DELIVERY_NOT_FOUND: "`weft webhooks list` shows what there is",
    error_pb2.ERROR_REASON_COLLECTION_NOT_FOUND: "`weft ingest PATH --collection NAME` makes one",
}


class CommandFailed(Exception):
    """A command cannot go on; its text is one line for a person."""


def reporting(command: Callable[P, Coroutine[None, None, int | None]]) -> Callable[P, None]:
    """Turns an async command into one that typer runs, with its failures told and coded."""

    @functools.wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            code = asyncio.run(command(*args, **kwargs))
        except WeftError as error:
            code = _tell(line_of(error), UNREACHABLE if is_silence(error) else FAILED)
        except (CommandFailed, CorruptAnswer) as failure:
            code = _tell(str(failure), FAILED)
        except KeyboardInterrupt:
            code = INTERRUPTED
        raise typer.Exit(code or 0)

    return run


def warn(line: str) -> None:
    """Writes one line about something that went wrong to stderr."""
    Console(file=sys.stderr, soft_wrap=True, highlight=False).print(f"[red]✗[/red] {escape(line)}")


def line_of(error: WeftError) -> str:
    """Tells an error with what to do next."""
    if is_silence(error):
        return "no mesh answers at the endpoint: start one with `weft up`, or name another with --endpoint"
    step = "`weft usage` shows what is left" if SpentBudget.of(error) else _NEXT_STEPS.get(error.reason)
    next_step = f"; {step}" if step else ""
    wait = f" (try again in {length(error.retry_after_s)})" if error.retry_after_s else ""
    return f"{error.reason_name}: {error.message}{next_step}{wait}"


def _tell(line: str, code: int) -> int:
    warn(line)
    return code
