"""The options that may come before a command's name or after it: which mesh, and as whom."""

from collections.abc import Callable, Collection, Mapping
from functools import wraps
from inspect import Parameter, signature
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer

from weft_cli.commands.path_arguments import any_path
from weft_cli.session import Session

Callback = Callable[..., None]
_PANEL = "Which mesh, and as whom"
# Commands have options with the same names; with this prefix they cannot collide.
_MINE = "session_"


class _Option(NamedTuple):
    names: tuple[str, ...]
    variable: str
    text: str
    kind: type = str
    parser: Callable[[str], Any] | None = None
    metavar: str | None = None


_OPTIONS: Mapping[str, _Option] = {
    "endpoint": _Option(
        ("--endpoint",), "WEFT_ENDPOINT", "Gateway, host:port; several as ip:port,ip:port. Default: the local mesh's."
    ),
    "api_key": _Option(("--key", "--api-key"), "WEFT_API_KEY", "API key. Default: the local mesh's."),
    "operator_token": _Option(
        ("--operator-token",), "WEFT_OPERATOR_TOKEN", "For the operator's commands. Default: the local mesh's."
    ),
    # Commands that list jobs by state use --state for that.
    "state": _Option(
        ("--state", "--state-folder"),
        "WEFT_STATE",
        "State folder of the local mesh. Default: .weft.",
        Path,
        parser=any_path,
        metavar="FOLDER",
    ),
}


def take_options_anywhere(app: typer.Typer) -> None:
    """Adds the options to the app, its groups and its commands; the one furthest right counts."""
    beginning = app.registered_callback
    if beginning is None or beginning.callback is None:
        raise ValueError("the app needs a callback: it begins the session")
    beginning.callback = _taking(beginning.callback, with_variables=True)
    _let_parts_take(app)


def _let_parts_take(part: typer.Typer) -> None:
    for command in part.registered_commands:
        if command.callback:
            command.callback = _taking(command.callback)
    for group in part.registered_groups:
        if inner := group.typer_instance:
            if group.name:
                callbacks = [command.callback for command in inner.registered_commands if command.callback]
                inner.callback()(_taking(_nothing, [name for one in callbacks for name in signature(one).parameters]))
            _let_parts_take(inner)


def _taking(callback: Callback, own: Collection[str] = (), *, with_variables: bool = False) -> Callback:
    """Returns a callback that also takes the options, and notes them in the session of its context.

    `own` are parameters whose names the options must not use; nor do they use those of the callback.
    """
    before = signature(callback, eval_str=True)

    @wraps(callback)
    def run(**given: Any) -> None:
        told = {field: given.pop(_MINE + field) for field in _OPTIONS}
        context: typer.Context = given["context"]
        context.obj = Session.of(context).told(**told)
        callback(**given)

    added = [
        _parameter(field, option, {*own, *before.parameters}, with_variable=with_variables)
        for field, option in _OPTIONS.items()
    ]
    after = before.replace(parameters=[*before.parameters.values(), *added])
    run.__dict__["__signature__"] = after
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in after.parameters.values()}
    return run


def _parameter(field: str, option: _Option, own: Collection[str], *, with_variable: bool) -> Parameter:
    names = [name for name in option.names if name.removeprefix("--").replace("-", "_") not in own]
    # Only the app's own options read the environment: a variable must not override an option given further left.
    variable = option.variable if with_variable else None
    told = typer.Option(
        *names,
        envvar=variable,
        help=option.text,
        rich_help_panel=_PANEL,
        show_default=False,
        parser=option.parser,
        metavar=option.metavar,
    )
    return Parameter(
        _MINE + field, Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[option.kind | None, told]
    )


def _nothing(context: typer.Context) -> None:
    """Does nothing: a group has no work of its own."""
