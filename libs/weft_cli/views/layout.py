"""Tables and fact sheets that break no number or id on a terminal of any width.

If a table's columns do not fit next to each other, each row becomes a sheet of its own.
"""

from collections.abc import Collection, Iterable, Sequence

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

Cell = str | Text
_GAP = 2


class Listing:
    """A table. The columns in `wraps` wrap between words; the others never wrap."""

    def __init__(self, columns: Sequence[str], wraps: Collection[str]) -> None:
        self._columns = columns
        self._wraps = wraps
        self._rows: list[list[Text]] = []

    def add_row(self, *cells: Cell) -> None:
        self._rows.append([_text(cell) for cell in cells])

    @property
    def row_count(self) -> int:
        return len(self._rows)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        widths = fitted([self._needs(place) for place in range(len(self._columns))], options.max_width)
        if widths is None:
            yield from self._as_sheets()
        else:
            yield self._as_table(widths)

    def _needs(self, place: int) -> tuple[int, int]:
        """Returns the least width of a column, and the width it needs without wrapping; its name may always wrap."""
        name, cells = Text(self._columns[place]), [row[place] for row in self._rows]
        least = _longest_word if self._columns[place] in self._wraps else _width
        return max(_longest_word(name), *map(least, cells)), max(_width(name), *map(_width, cells))

    def _as_table(self, widths: Iterable[int]) -> Table:
        table = Table(box=None, pad_edge=False, header_style="dim")
        for name, width in zip(self._columns, widths, strict=True):
            table.add_column(name, width=width)
        for row in self._rows:
            table.add_row(*row)
        return table

    def _as_sheets(self) -> RenderResult:
        names = [" ".join(name.split()) for name in self._columns]
        for number, row in enumerate(self._rows):
            sheet = FactSheet()
            for name, cell in zip(names, row, strict=True):
                if cell.plain:
                    sheet.add_row(name, cell)
            yield from ((Text(""), sheet) if number else (sheet,))


class FactSheet:
    """Names with their values to the right, or below where a word would not fit."""

    def __init__(self) -> None:
        self._facts: list[tuple[Text, Text]] = []

    def add_row(self, name: Cell, fact: Cell) -> None:
        self._facts.append((_text(name), _text(fact)))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        width = max((_width(name) for name, _ in self._facts), default=0)
        for name, fact in self._facts:
            if width + _GAP + _longest_word(fact) <= options.max_width:
                grid = Table.grid(padding=(0, _GAP, 0, 0))
                grid.add_column(style="dim", width=width)
                grid.add_column()
                grid.add_row(name, fact)
                yield grid
            else:
                yield Text.assemble((name.plain, "dim"))
                yield Padding(fact, (0, 0, 0, _GAP), expand=False)


def columns(*columns: str, wraps: Collection[str] = ()) -> Listing:
    """Returns an empty table; only the columns named in `wraps` get narrower when there is little room."""
    return Listing(columns, wraps)


def fact_sheet() -> FactSheet:
    """Returns an empty sheet of names and values."""
    return FactSheet()


def or_none(table: Listing, words: str) -> RenderableType:
    return table if table.row_count else Text(words, style="dim")


def fitted(needs: Sequence[tuple[int, int]], room: int) -> list[int] | None:
    """Returns a width for each column, given its least and its full width; None if there is not enough room.

    Space left over goes first to the columns that lack least, so that long texts wrap before short ones.
    """
    widths = [least for least, _ in needs]
    left = room - sum(widths) - _GAP * (len(needs) - 1)
    if left < 0:
        return None
    for place in sorted(range(len(needs)), key=lambda place: needs[place][1] - needs[place][0]):
        least, most = needs[place]
        widths[place] = min(most, least + left)
        left -= widths[place] - least
    return widths


def _text(cell: Cell) -> Text:
    return cell if isinstance(cell, Text) else Text(cell)


def _width(text: Text) -> int:
    return max((cell_len(line) for line in text.plain.splitlines()), default=0)


def _longest_word(text: Text) -> int:
    return max(map(cell_len, text.plain.split()), default=0)
