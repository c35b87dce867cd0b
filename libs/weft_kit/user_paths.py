"""Paths as people write them: relative to where they stand, or from a home folder."""

from pathlib import Path


def expanded(path: Path) -> Path:
    """Returns the path with `~` or `~NAME` at its beginning replaced by that home folder.

    A shell does it for the words of a command alone: not in --option=~/x, in a file, or in a service's settings.

    Raises:
        ValueError: there is no such home folder.
    """
    try:
        return path.expanduser()
    except RuntimeError:
        raise ValueError(f"{path} begins with a home folder that is not known: write the whole path") from None
