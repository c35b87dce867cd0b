"""Paths on the command line: `~` is a home folder in every one of them, however the shell took it."""

from pathlib import Path

import typer

from weft_kit.user_paths import expanded


def any_path(text: str | Path) -> Path:
    """Parses a path of which nothing need be there yet."""
    try:
        return expanded(Path(text))
    except ValueError as unknown:
        raise typer.BadParameter(str(unknown)) from None


def existing_path(text: str | Path) -> Path:
    """Parses the path of a file or a folder that is there."""
    path = any_path(text)
    try:
        path.stat()
    except FileNotFoundError:
        raise typer.BadParameter(f"'{path}' does not exist.") from None
    except OSError as failure:
        raise typer.BadParameter(f"'{path}' cannot be read: {failure.strerror}.") from None
    return path
