"""weft catalog check."""

import os
from pathlib import Path
from typing import Annotated

import typer

from weft_cli.commands.examples import examples
from weft_cli.commands.path_arguments import any_path
from weft_cli.errors import (
    FAILED,
    CommandFailed,
    reporting,
    warn,
)
from weft_cli.session import AsJson, out
from weft_cli.views.json_output import print_json
from weft_cli.views.mesh import mistakes

app = typer.Typer()
catalog = typer.Typer(help="The catalog of providers and models: check it.", no_args_is_help=True)
app.add_typer(catalog, name="catalog")

# `weft up` sets this for the services that read the catalog.
_LOCAL = {"WEFT_INFERENCE_TARGET": "127.0.0.1:7604"}


def _default() -> Path:
    try:
        from weft_compose.launcher import DEFAULT_CATALOG
    except ModuleNotFoundError as missing:
        raise CommandFailed(f"there is no default catalog without {missing.name}: name a file") from None
    return DEFAULT_CATALOG


@catalog.command(epilog=examples("catalog check", "catalog check weft.toml --json"))
@reporting
async def check(
    context: typer.Context,  # noqa: ARG001 - for the options of the session
    file: Annotated[
        Path | None, typer.Argument(help="The catalog. Default: the one that `weft up` uses.", parser=any_path)
    ] = None,
    *,
    as_json: AsJson = False,
) -> int:
    """Check whether routers and gateways can use a catalog, and list its mistakes; exit code 1 if they cannot.

    Variables, and files with keys, are looked up where this command runs.
    """
    from weft_compose.catalog_check import find_mistakes

    if file is None:
        file = _default()
    found = find_mistakes(file, {**_LOCAL, **os.environ})
    if as_json:
        listed = [{"line": line, "problem": problem} for line, problem in (found.by_line if found else ())]
        print_json({"file": str(file), "good": found is None, "problems": listed})
    elif found is None:
        out().print(f"{file} is good", soft_wrap=True)
    else:
        for problem in found.located:
            out().print(problem, soft_wrap=True)
        warn(f"{file} has {mistakes(len(found.problems))}")
    return FAILED if found else 0
