"""Environment variables that look like settings but are not: probably mistyped, each reported with the likely name."""

from collections.abc import Collection, Iterable
from difflib import get_close_matches

_ALIKE = 0.9
"""A similarity (difflib's ratio): names of different settings are below it, mistyped ones above."""


def unknown_variables(environ: Iterable[str], known: Collection[str], prefix: str = "") -> list[str]:
    """Returns a line for each unknown variable that begins with `prefix` or is almost a known name.

    Upper and lower case count as equal, as they do where settings are read.
    """
    return [
        mistyped(name, nearest(name, known))
        for name in sorted(environ)
        if name.upper() not in known and (_begins(name, prefix) or nearest(name, known, _ALIKE))
    ]


def mistyped(name: str, meant: str) -> str:
    """Returns the line that reports a mistyped variable."""
    return f"{name}: no such setting; did you mean {meant}?"


def nearest(name: str, known: Collection[str], at_least: float = 0.0) -> str:
    """Returns the known name most similar to this one, "" if none reaches the similarity `at_least`, 0 to 1."""
    return next(iter(get_close_matches(name.upper(), known, 1, at_least)), "")


def _begins(name: str, prefix: str) -> bool:
    return bool(prefix) and name.upper().startswith(prefix)
