"""Tables as text: each row names its values, so that a chunk of rows can be understood without the first one."""

import re
from collections.abc import Mapping, Sequence
from enum import Enum

from weft_retrieval.formats.draft import Draft
from weft_retrieval.formats.units import MAX_UNIT

Row = Mapping[int, str]
"""The cells of a row by column; blank ones are left out."""

_AHEAD = 20
"""Rows that are looked at to see whether the first one names the columns."""
_LONGEST_LABEL = 100
# Beyond that the labels of a row would be most of what is stored and embedded of it.
_MOST_LABELS_BY_VALUE = 4
_HEADER_LEVEL = 2
_SPACE = re.compile(r"\s+")
_YEAR = re.compile(r"(?:19|20)\d\d")
_LETTERS_OF_NUMBERS = 3
"""Letters that a number or date may have: 12 kg, 3 May, EUR 9."""


class _Header(Enum):
    YES = "yes"
    MAYBE = "maybe"
    NO = "no"


class Table:
    """Takes in rows in order. A blank row ends a table; the next one may continue under the same column names."""

    def __init__(self, draft: Draft) -> None:
        self._draft = draft
        self._first: list[dict[int, str]] = []
        self._is_settled = False
        self._labels: dict[int, str] = {}

    def row(self, cells: Row) -> None:
        """Adds a row."""
        row = {column: text for column, cell in cells.items() if (text := _SPACE.sub(" ", cell).strip())}
        if not row:
            self.end()
        elif self._is_settled:
            self._write(row)
        else:
            self._first.append(row)
            if len(self._first) == _AHEAD:
                self._settle()

    def end(self) -> None:
        """Ends the table."""
        self._settle()
        self._is_settled = False
        self._draft.gap()

    def _settle(self) -> None:
        rows, self._first, self._is_settled = self._first, [], True
        # What stands alone in its row above a table is said of all of it.
        while len(rows) > 1 and len(rows[0]) == 1 and max(map(len, rows)) > 1:
            self._draft.paragraph(" ".join(rows.pop(0).values()))
        if not rows:
            return
        first, header = rows[0], _header(rows)
        if header is not _Header.NO:
            rows = rows[1:]
            self._labels = {column: label[:_LONGEST_LABEL] for column, label in first.items()}
            if header is _Header.YES and _are_worth_it(self._labels, rows):
                self._draft.line(" | ".join(first.values()))
            else:
                self._draft.heading(" | ".join(first.values()), _HEADER_LEVEL)
                self._labels = {}
        elif not first.keys() <= self._labels.keys():
            self._labels = {}
        for row in rows:
            self._write(row)

    def _write(self, row: Row) -> None:
        cells = sorted(row.items())
        if not self._labels or len(cells) == 1:
            self._draft.line(" | ".join(text for _, text in cells))
            return
        said = [f"{self._labels[column]}: {text}" if column in self._labels else text for column, text in cells]
        if len(line := "; ".join(said)) <= MAX_UNIT:
            self._draft.line(line)
        else:
            self._draft.gap()
            self._draft.paragraph("\n".join(said))


def _are_worth_it(labels: Row, rows: Sequence[Row]) -> bool:
    values = sum(len(text) for row in rows for text in row.values())
    return sum(map(len, labels.values())) * len(rows) <= _MOST_LABELS_BY_VALUE * max(values, MAX_UNIT)


def _header(rows: Sequence[Row]) -> _Header:
    """Returns whether the first row names the columns: it holds no values, none of its texts occurs below it, and the
    cells below are of another type.
    """
    first, rest = rows[0], rows[1:]
    width = max(map(len, rows))
    if not rest or width < 2 or len(first) < width / 2 or any(map(_is_no_label, first.values())):
        return _Header.NO
    below = {column: [row[column] for row in rest if column in row] for column in first}
    if any(label in below[column] for column, label in first.items()):
        return _Header.NO
    is_other = any(_is_other(label, below[column]) for column, label in first.items())
    return _Header.YES if is_other else _Header.MAYBE


def _is_no_label(text: str) -> bool:
    return len(text) > _LONGEST_LABEL or (_is_value(text) and not _YEAR.fullmatch(text))


def _is_value(text: str) -> bool:
    """Returns whether a text is a number, an amount, a date, a time or a boolean."""
    has_digits = any(map(str.isdigit, text))
    return (has_digits and sum(map(str.isalpha, text)) <= _LETTERS_OF_NUMBERS) or text.lower() in {"true", "false"}


def _is_other(label: str, below: Sequence[str]) -> bool:
    """Says whether a text is of another kind than all those below it; of one row alone, only values tell."""
    if below and all(map(_is_value, below)):
        return not _is_value(label)
    return len(below) > 1 and _shape(label) not in set(map(_shape, below))


def _shape(text: str) -> tuple[bool, bool, bool, bool]:
    return text.islower(), text.isupper(), " " in text, any(map(str.isdigit, text))
