"""Paths on the command line: a leading `~` is always a home folder, even where the shell does not expand it."""

from pathlib import Path

import typer

from weft_kit.user_paths import expanded


def any_path(text: str | Path) -> Path:
    """Parses a path, which need not exist."""
    try:
        return expanded(Path(text))
    except ValueError as unknown:
        raise typer.BadParameter(str(unknown)) from None


def existing_path(text: str | Path) -> Path:
    """Parses the path of an existing file or folder."""
    path = any_path(text)
    try:
        path.stat()
    except FileNotFoundError:
        raise typer.BadParameter(f"'{path}' does not exist.") from None
    except OSError as failure:
        raise typer.BadParameter(f"'{path}' cannot be read: {failure.strerror}.") from None
    return path
