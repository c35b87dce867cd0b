"""The many options of a command as the fields of a class."""

import functools
import inspect
from collections.abc import Callable, Coroutine
from typing import Any, TypeAlias, TypeVar

import typer

Options = TypeVar("Options")
Result = TypeVar("Result")
Running: TypeAlias = Coroutine[None, None, Result]


def options_from(
    options: type[Options],
) -> Callable[[Callable[[typer.Context, Options], Running[Result]]], Callable[..., Running[Result]]]:
    """Gives a command a parameter for each field of a dataclass, since typer reads options only from a signature.

    Names, types, help, defaults and order are those of the fields.
    """
    context = inspect.Parameter("context", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context)
    signature = inspect.Signature([context, *inspect.signature(options, eval_str=True).parameters.values()])

    def decorate(command: Callable[[typer.Context, Options], Running[Result]]) -> Callable[..., Running[Result]]:
        @functools.wraps(command)
        async def run(context: typer.Context, **given: Any) -> Result:
            return await command(context, options(**given))

        run.__signature__ = signature  # type: ignore[attr-defined]
        return run

    return decorate
