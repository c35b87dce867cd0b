"""Runs of lines that stand twice in the product: the second one is to call the first."""

import ast
import io
import tokenize
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

LEAST_LINES: Final = 12


class Line(NamedTuple):
    """A line as it is compared: without indentation and comment."""

    number: int
    text: str


class Place(NamedTuple):
    """Where a run begins: a file, and the position of its line among those that are compared."""

    path: Path
    position: int


def twins(root: Path, paths: Iterable[Path]) -> Iterator[str]:
    """Yields a line for each run of equal lines that stands twice, at its two places."""
    lines = {path: _compared((root / path).read_text(encoding="utf-8")) for path in paths}
    seen: dict[tuple[str, ...], Place] = {}
    before: tuple[Place, Place] | None = None
    for path, found in lines.items():
        texts = tuple(line.text for line in found)
        for index in range(len(found) - LEAST_LINES + 1):
            here = Place(path, index)
            there = seen.setdefault(texts[index : index + LEAST_LINES], here)
            if there == here or _overlap(there, here):
                continue
            if before != (Place(there.path, there.position - 1), Place(path, index - 1)):
                yield f"{_at(lines, here)} has {LEAST_LINES} lines or more of {_at(lines, there)}: keep one of them"
            before = (there, here)


def _overlap(one: Place, other: Place) -> bool:
    return one.path == other.path and abs(one.position - other.position) < LEAST_LINES


def _at(lines: dict[Path, list[Line]], place: Place) -> str:
    return f"{place.path}:{lines[place.path][place.position].number}"


def _compared(source: str) -> list[Line]:
    """Returns the lines of a module that count: no imports, no comments, nothing empty."""
    imports = {number for node in ast.walk(ast.parse(source)) for number in _lines_of_import(node)}
    kept = _without_comments(source)
    return [Line(number, text.strip()) for number, text in enumerate(kept, 1) if text.strip() and number not in imports]


def _lines_of_import(node: ast.AST) -> Iterable[int]:
    if isinstance(node, ast.Import | ast.ImportFrom):
        return range(node.lineno, (node.end_lineno or node.lineno) + 1)
    return ()


def _without_comments(source: str) -> list[str]:
    lines = source.splitlines()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column]
    return lines
