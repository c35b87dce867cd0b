"""Finds the errors in a part's output: error lines, and of tracebacks only the exception.

Each server and the services have their own log formats. Lines of a known format are judged by their level; other lines
count as errors.
"""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from itertools import takewhile
from typing import Any

_MOST_ERRORS = 40


class _LogLevel(Enum):
    HARMLESS = 0
    ASIDE = 1
    """Belongs to the line before it."""
    WARNING = 2
    ERROR = 3


@dataclass(frozen=True)
class _Line:
    level: _LogLevel
    text: str


_SERVERS = (
    re.compile(r"^\[\d+\] \S+ \S+ \[(?P<level>[A-Z]{3})\] (?P<text>.*)$"),  # nats-server
    re.compile(r"^\S+ \S+ \S+ \[\d+\] (?P<level>[A-Z]+):\s+(?P<text>.*)$"),  # postgres
    re.compile(r"^\d+:[A-Z] .+?:\d\d\.\d+ (?P<level>[.\-*#]) (?P<text>.*)$"),  # valkey
    re.compile(r"^(?:\(.*?\) )?(?P<level>[A-Z]+) \d\d-\d\d \S+ (?:\[.*?\] )?(?P<text>.*)$"),  # vLLM
)
_ERRORS = frozenset({"ERR", "FTL", "ERROR", "FATAL", "PANIC", "HINT", "DETAIL", "#", "error", "critical"})
_WARNINGS = frozenset({"WRN", "WARNING", "warning"})
_ASIDES = frozenset({"STATEMENT", "CONTEXT"})
_PYTHON_WARNING = re.compile(r"^\S+:\d+: \w*Warning: ")
# A group of exceptions is drawn as a tree: this matches the branches at the beginning of a line.
_BRANCH = re.compile(r"^\s*(?:\+-[-+ 0-9]*|[|+] ?)")
_TRACEBACK = "Traceback (most recent call last):"
_CAUSE = "The above exception was the direct cause"
_CONTEXT = "During handling of the above exception"
_GROUPS = ("ExceptionGroup:", "BaseExceptionGroup:")
_NO_SPACE = re.compile(r"no space left|free disk space|insufficient (storage|resources)|disk quota", re.IGNORECASE)


def last_errors(output: str) -> list[str]:
    """Returns the last group of errors in the output, with advice where there is some.

    Lines after the errors that are none, such as those of a server shutting down, are skipped.
    """
    lines = _read(output.splitlines())
    while lines and lines[-1].level is not _LogLevel.ERROR:
        lines.pop()
    block = list(takewhile(lambda line: line.level is not _LogLevel.HARMLESS, reversed(lines)))[::-1]
    errors = list(dict.fromkeys(line.text for line in block if line.level is _LogLevel.ERROR))
    more = [f"… and {len(errors) - _MOST_ERRORS} more"] if len(errors) > _MOST_ERRORS else []
    return [*errors[:_MOST_ERRORS], *more, *advice(*errors)]


def last_problem(output: str) -> str:
    """Returns the last error or warning of the output; "" if there is none."""
    problems = (_LogLevel.WARNING, _LogLevel.ERROR)
    return next((line.text for line in reversed(_read(output.splitlines())) if line.level in problems), "")


def advice(*errors: str) -> list[str]:
    """Returns what to do about errors of a part, if that is known and they do not say it."""
    if any(_NO_SPACE.search(error) for error in errors):
        return ["free some space on the disk that holds the state folder, or name a folder on another with --state"]
    return []


def after_colon(errors: list[str]) -> str:
    """Returns errors formatted to follow a colon: a single one on the same line, several on a line each."""
    return f" {errors[0]}" if len(errors) == 1 else "".join(f"\n  {error}" for error in errors)


def _read(written: Iterable[str]) -> list[_Line]:
    """Returns the lines, but of each traceback only the exception."""
    lines: list[_Line] = []
    in_traceback = False
    for one in written:
        line = _BRANCH.sub("", one)
        if line.endswith(_TRACEBACK):
            in_traceback = True
        elif not line.strip() or (in_traceback and line[:1].isspace()):
            continue
        elif line.startswith(_CONTEXT):
            # The exception that was being handled when the real one came does not matter.
            del lines[-1:]
        elif line.startswith((_CAUSE, *_GROUPS)):
            in_traceback = False
        elif in_traceback:
            in_traceback = False
            lines.append(_Line(_LogLevel.ERROR, line.strip()))
        else:
            lines.append(_classified(one))
    return lines


def _classified(line: str) -> _Line:
    if line.startswith("{"):
        return _of_service(line)
    for server in _SERVERS:
        if found := server.match(line):
            return _of_server(found["level"], found["text"])
    if line[:1].isspace():
        return _Line(_LogLevel.ASIDE, line.strip())
    return _Line(_LogLevel.HARMLESS if _PYTHON_WARNING.match(line) else _LogLevel.ERROR, line.strip())


def _of_server(level: str, text: str) -> _Line:
    if level == "LOG" and text.startswith("could not"):
        return _Line(_LogLevel.ERROR, text)
    if level == "#" and text.startswith("WARNING"):
        return _Line(_LogLevel.WARNING, text)
    return _Line(_level(level), text)


def _of_service(line: str) -> _Line:
    """Returns a line of a service's log as what happened and why."""
    try:
        written: dict[str, Any] = json.loads(line)
    except ValueError:
        return _Line(_LogLevel.ERROR, line)
    why = [str(written[name]) for name in ("error", "reason", "problem") if name in written]
    why += [str(problem) for problem in written.get("problems", ())]
    why += last_errors(str(written.get("exception", "")))[:1]
    text = ": ".join(filter(None, (str(written.get("event", line)), "; ".join(why))))
    return _Line(_level(str(written.get("level"))), text)


def _level(name: str) -> _LogLevel:
    if name in _ERRORS:
        return _LogLevel.ERROR
    if name in _WARNINGS:
        return _LogLevel.WARNING
    return _LogLevel.ASIDE if name in _ASIDES else _LogLevel.HARMLESS
