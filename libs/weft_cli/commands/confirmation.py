"""Asks for confirmation before something is deleted for good."""

import sys
from typing import Annotated

import typer

from weft_cli.errors import CommandFailed

Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")]


def confirm(question: str, *, yes: bool) -> None:
    """Returns if the user confirms, on a terminal or by --yes.

    Raises:
        CommandFailed: the user says no, or there is no terminal to ask on.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise CommandFailed(f"{question.rstrip('?')}: say --yes, there is nobody to ask here")
    if not typer.confirm(question, err=True):
        raise CommandFailed("nothing was deleted")
