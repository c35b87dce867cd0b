"""The `weft` command as a whole: its start, and how it reports mistakes in a call."""

import os
import sys
from collections.abc import Collection, Iterable, Iterator
from importlib.metadata import version
from io import TextIOWrapper
from typing import Any

import typer
from typer.core import TyperGroup

from weft_cli.errors import INTERRUPTED, MISUSED, warn
from weft_kit.config.variables import mistyped, unknown_variables


class WeftCommand(TyperGroup):
    """Reports a mistake like every other failure: in one line, without a frame."""

    def main(self, *args: Any, **more: Any) -> Any:
        # A terminal, or a file, may be unable to show a ✓; that must not end the command.
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, TextIOWrapper):
                stream.reconfigure(errors="backslashreplace")
        try:
            code = super().main(*args, **{**more, "standalone_mode": False})
        except typer.TyperException as mistake:
            code = _tell(mistake)
        except typer.Abort:
            code = INTERRUPTED
        raise SystemExit(code or 0)


def show_version(wanted: bool) -> None:  # noqa: FBT001 - as typer calls it
    """Prints the version and exits, if that is wanted."""
    if wanted:
        typer.echo(f"weft {version('weft')}")
        raise typer.Exit


def refuse_mistyped_variables(command: Any) -> None:
    """Exits if a variable looks like one that the command line reads, but is not.

    Other variables that begin with WEFT_ belong to services, a catalog or containers.
    """
    known = frozenset(_variables_of(command))
    mistakes = [*unknown_variables(os.environ, known), *_shortened(os.environ, known)]
    for mistake in mistakes:
        warn(mistake)
    if mistakes:
        raise typer.Exit(MISUSED)


def _variables_of(command: Any) -> Iterator[str]:
    yield from (parameter.envvar for parameter in command.params if parameter.envvar)
    for inner in getattr(command, "commands", {}).values():
        yield from _variables_of(inner)


def _shortened(environ: Iterable[str], known: Collection[str]) -> Iterator[str]:
    """Yields a line for each variable that lacks a word, such as WEFT_KEY for WEFT_API_KEY."""
    for name in sorted(environ):
        words = set(name.split("_"))
        meant = [one for one in known if words < set(one.split("_")) and "WEFT" in words and len(words) > 1]
        if meant and name not in known:
            yield mistyped(name, meant[0])


def _tell(mistake: typer.TyperException) -> int:
    """Prints what is wrong and where to look; nothing if typer has shown the help instead."""
    # The text of a failed check begins with the kind of the exception.
    if said := " ".join(mistake.format_message().replace("Value error, ", "").split()):
        context = getattr(mistake, "ctx", None)
        mark = "" if said.endswith("?") else ";"
        warn(f"{said.rstrip('.')}{mark} `{context.command_path} --help` shows how" if context else said)
    return mistake.exit_code
