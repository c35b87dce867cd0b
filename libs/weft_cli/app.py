"""The `weft` command line."""

from typing import Annotated

import typer

from weft_cli import errors
from weft_cli.commands import (
    ask,
    cache,
    catalog,
    collections,
    documents,
    jobs,
    mesh,
    operations,
    providers,
    tenants,
    webhooks,
)
from weft_cli.commands.global_options import take_options_anywhere
from weft_cli.root_command import WeftCommand, refuse_mistyped_variables, show_version

_EXIT_CODES = (errors.__doc__ or "").partition("\n\n")[2]

app = typer.Typer(
    cls=WeftCommand,
    help="LLM calls as durable, resumable, observable jobs.",
    epilog=f"Exit codes:\n\n{_EXIT_CODES}",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for part in (mesh, ask, jobs, documents, collections, webhooks, providers, catalog, cache, operations, tenants):
    app.add_typer(part.app)


@app.callback()
def begin(
    context: typer.Context,
    *,
    version: Annotated[  # noqa: ARG001 - typer calls back for it
        bool, typer.Option("--version", callback=show_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    refuse_mistyped_variables(context.command)


take_options_anywhere(app)
