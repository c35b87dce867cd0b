"""TOML files that operators write: how they are read, and how their mistakes are told, each with its line:

compose/weft.toml:46: models.default.routes[0].provider: "lokal" is not a provider; expected one of local, openai
"""

import tomllib
from collections.abc import Iterable
from operator import itemgetter
from pathlib import Path
from typing import Any

from weft_kit.toml_lines import line_of


class TomlFileError(ValueError):
    """The file cannot be used; one line per problem. `text` is the file's contents, to find the problems' lines."""

    def __init__(self, path: Path, problems: Iterable[str], text: str = "") -> None:
        self.path = path
        self.problems = tuple(problems)
        lines = (line_of(problem.partition(": ")[0], text) for problem in self.problems)
        self.by_line = tuple(sorted(zip(lines, self.problems, strict=True), key=itemgetter(0)))
        """The problems in the order of the file, each with its line, 0 if that is not known."""
        super().__init__("\n".join(self.located))

    @property
    def located(self) -> tuple[str, ...]:
        """The problems in the order of the file, each with the file and the line, in the form that editors open."""
        return tuple(f"{self.path}:{line}: {what}" if line else f"{self.path}: {what}" for line, what in self.by_line)


def read_text(path: Path, remedy: str, failure: type[TomlFileError] = TomlFileError) -> str:
    """Returns the contents of the file. Raises `failure`, with what to do about it, if it cannot be read."""
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise failure(path, [f"cannot be read ({error.strerror}); {remedy}"]) from error
    except UnicodeDecodeError as error:
        raise failure(path, [f"is not TOML: {error}"]) from error


def parse(text: str, path: Path, failure: type[TomlFileError] = TomlFileError) -> dict[str, Any]:
    """Returns the tables of a text. Raises `failure` if it is not TOML."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise failure(path, [f"is not TOML: {error}"]) from error
