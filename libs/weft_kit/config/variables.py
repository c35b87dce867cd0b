"""Environment variables that look like settings and are not: mistyped ones, each with the name that was probably
meant.
"""

from collections.abc import Collection, Iterable
from difflib import get_close_matches

_ALIKE = 0.9
"""Names of different services are less alike than this, mistyped ones more (difflib's ratio)."""


def unknown_variables(environ: Iterable[str], known: Collection[str], prefix: str = "") -> list[str]:
    """Returns a line for each variable that is not known but begins with `prefix`, or is almost a known name.

    Names count in any case, as they do where settings are read.
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
    """Returns the known name most like this one, or "" if none is at least `at_least` alike, 0 to 1."""
    return next(iter(get_close_matches(name.upper(), known, 1, at_least)), "")


def _begins(name: str, prefix: str) -> bool:
    return bool(prefix) and name.upper().startswith(prefix)
