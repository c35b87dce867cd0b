"""Excel workbooks (SpreadsheetML, ECMA-376-1 chapter 18): sheet after sheet, the cells that are there, as they look.

Only cells that hold something are looked at: how large a sheet says it is costs nothing, and hides nothing.
"""

from collections.abc import Iterator
from typing import NamedTuple

from weft_kit.document_names import ContentType
from weft_retrieval.formats.draft import Draft
from weft_retrieval.formats.office.drawing_parts import drawn
from weft_retrieval.formats.office.number_formats import NumberFormats
from weft_retrieval.formats.office.office_format import office_format
from weft_retrieval.formats.office.package import Package
from weft_retrieval.formats.office.xml_events import Attributes, elements, read_xml
from weft_retrieval.formats.outline import Parsed
from weft_retrieval.formats.tables import Table

_LEVEL = 1
_TRUE = frozenset({"1", "true"})
_MOST_COLUMNS = 16_384


class _Sheet(NamedTuple):
    name: str
    part: str
    is_hidden: bool


def read_xlsx(content: bytes) -> Parsed:
    package = Package(content)
    parts = {relation.type: relation.target for relation in package.related(package.main).values()}
    strings = _Strings()
    if shared := package.archive.read(parts.get("sharedStrings", "")):
        read_xml(shared, strings, "sharedStrings.xml")
    workbook = elements(package.read(package.main), package.main)
    since_1904 = any(tag == "s:workbookPr" and given.get("date1904") in _TRUE for tag, given in workbook)
    formats = NumberFormats(package.archive.read(parts.get("styles", "")), since_1904=since_1904)
    draft = Draft(len(content))
    for name, part, is_hidden in _sheets(package, workbook):
        draft.heading(f"{name} (hidden)" if is_hidden else name, _LEVEL)
        table = Table(draft)
        read_xml(package.read(part), _Cells(table, strings.found, formats), part)
        table.end()
        for text in _drawn(package, part):
            draft.paragraph(text)
    # Names of sheets that hold nothing are no text.
    return draft.parsed(title="") if draft.has_body else Parsed("")


def _sheets(package: Package, workbook: list[tuple[str, Attributes]]) -> Iterator[_Sheet]:
    """Yields the sheets in the order of their tabs; sheets of nothing but a chart, too."""
    related = package.related(package.main)
    for tag, given in workbook:
        if tag == "s:sheet" and (relation := related.get(given.get("r:id", ""))):
            yield _Sheet(given.get("name", ""), relation.target, given.get("state", "visible") != "visible")


def _drawn(package: Package, part: str) -> Iterator[str]:
    """Yields the texts of shapes and charts that lie over a sheet."""
    for relation in package.related(part).values():
        if relation.type == "drawing" and relation.target in package.archive:
            yield from drawn(package, relation.target)


class _Strings:
    """Reads shared strings: the text of their runs, without how it is pronounced (18.4.6)."""

    def __init__(self) -> None:
        self.found: list[str] = []
        self._pieces: list[str] = []
        self._is_text = False
        self._in_reading = False

    def start(self, tag: str, _: Attributes) -> None:
        self._in_reading = self._in_reading or tag == "s:rPh"
        self._is_text = tag == "s:t" and not self._in_reading

    def end(self, tag: str) -> None:
        self._is_text = False
        if tag == "s:rPh":
            self._in_reading = False
        elif tag == "s:si":
            self.found.append("".join(self._pieces))
            self._pieces = []

    def text(self, text: str) -> None:
        if self._is_text:
            self._pieces.append(text)


class _Cells:
    """Reads the rows of a sheet into a table."""

    def __init__(self, table: Table, strings: list[str], formats: NumberFormats) -> None:
        self._table = table
        self._strings = strings
        self._formats = formats
        self._row: dict[int, str] = {}
        self._row_number = 0
        self._column = -1
        self._cell: Attributes = {}
        self._parts: dict[str, list[str]] = {}
        self._reading = ""
        self._in_reading = False

    def start(self, tag: str, attributes: Attributes) -> None:
        if tag == "s:c":
            self._cell, self._parts = attributes, {}
            self._column = _column(attributes.get("r", "")) or self._column + 1
        elif tag in {"s:v", "s:t", "s:f"} and not self._in_reading:
            self._reading = tag
        elif tag == "s:rPh":
            self._in_reading = True
        elif tag == "s:row":
            self._begin_row(attributes.get("r", ""))

    def end(self, tag: str) -> None:
        if tag == self._reading:
            self._reading = ""
        elif tag == "s:rPh":
            self._in_reading = False
        elif tag == "s:c":
            if self._column <= _MOST_COLUMNS and (said := self._said()):
                self._row[self._column] = said
        elif tag == "s:row" and self._row:
            self._table.row(self._row)

    def text(self, text: str) -> None:
        if self._reading:
            self._parts.setdefault(self._reading, []).append(text)

    def _begin_row(self, given: str) -> None:
        number = int(given) if given.isdecimal() and len(given) < 10 else self._row_number + 1
        # Rows that are not in the file are blank, as are those without a value.
        if self._row_number and (number > self._row_number + 1 or not self._row):
            self._table.end()
        self._row, self._row_number, self._column = {}, number, 0

    def _said(self) -> str:
        """Returns what a cell shows; of a formula that was never worked out the formula itself."""
        value, inline, formula = ("".join(self._parts.get(part, ())) for part in ("s:v", "s:t", "s:f"))
        kind = self._cell.get("t", "n")
        if kind == "inlineStr":
            return inline
        if not value:
            return f"={formula}" if formula else ""
        if kind == "s":
            return self._strings[int(value)] if value.isdecimal() and int(value) < len(self._strings) else ""
        if kind == "b":
            return "TRUE" if value in _TRUE else "FALSE"
        return self._formats.shown(value, self._cell.get("s", "")) if kind == "n" else value


def _column(reference: str) -> int:
    """Returns the number of a cell's column, A is 1; 0 when it is not told."""
    number = 0
    for letter in reference[:4]:
        if not ("A" <= letter.upper() <= "Z"):
            break
        number = number * 26 + ord(letter.upper()) - ord("A") + 1
    return number


XLSX = office_format(ContentType.XLSX, "an Excel workbook", read_xlsx)
