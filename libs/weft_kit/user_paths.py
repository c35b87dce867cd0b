"""Paths as people write them, which may begin with a home folder."""

from pathlib import Path


def expanded(path: Path) -> Path:
    """Returns the path with `~` or `~NAME` at its beginning replaced by the home folder.

    A shell does this only for whole words of a command: not in --option=~/x, in a file, or in a service's settings.

    Raises:
        ValueError: there is no such home folder.
    """
    try:
        return path.expanduser()
    except RuntimeError:
        raise ValueError(f"{path} begins with a home folder that is not known: write the whole path") from None
