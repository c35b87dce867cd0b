"""CSV and similar formats: the delimiter is detected from the first rows; quotes count only if they are closed."""

import csv
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import islice

from weft_kit.document_names import ContentType
from weft_retrieval.formats.document_format import DocumentFormat
from weft_retrieval.formats.draft import Draft
from weft_retrieval.formats.outline import Parsed
from weft_retrieval.formats.tables import Table
from weft_retrieval.formats.text import decode

_DELIMITERS = ",;\t|"
_NO_DELIMITER = "\x1f"
_TRIED_LINES = 50
_TRIED_CHARACTERS = 64 * 1024


def read_csv(content: bytes) -> Parsed:
    csv.field_size_limit(len(content) + 1)
    text = decode(content)
    delimiter, text = _declared(text)
    draft = Draft(len(content))
    table = Table(draft)
    for row in _rows(text, delimiter or _delimiter(text)):
        table.row(dict(enumerate(row)))
    table.end()
    return draft.parsed(title="")


def _declared(text: str) -> tuple[str, str]:
    """Returns the delimiter that a first line such as `sep=;` names, which Excel obeys, and the text after it."""
    first, _, rest = text.partition("\n")
    said = first.strip(' "').lower()
    return (first.strip(' "')[4], rest) if said.startswith("sep=") and len(said) == 5 else ("", text)


def _delimiter(text: str) -> str:
    """Returns the delimiter that splits most of the first rows into the same number of cells; of several, the one that
    makes most.

    Where most rows have one cell, commas are part of the text.
    """
    lines = list(islice(_lines(text[:_TRIED_CHARACTERS]), _TRIED_LINES))

    def rank(delimiter: str) -> tuple[float, int]:
        widths = Counter(len(row) for row in _cells(lines, delimiter) if any(row))
        width, rows = widths.most_common(1)[0] if widths else (0, 0)
        return (rows / widths.total() if width > 1 else 0.0), width

    best = max(_DELIMITERS, key=rank)
    return best if rank(best)[0] else _NO_DELIMITER


def _rows(text: str, delimiter: str) -> Iterator[list[str]]:
    """Yields the cells of each row; quotes that stay open would make one cell of all that follows, and are letters."""
    if _ends_its_quotes(text, delimiter):
        return _cells(_lines(text), delimiter)
    return csv.reader(_lines(text), delimiter=delimiter, quoting=csv.QUOTE_NONE)


def _cells(lines: Iterable[str], delimiter: str, *, strict: bool = False) -> Iterator[list[str]]:
    # Many write a space after the delimiter, and quotes after that.
    return csv.reader(lines, delimiter=delimiter, skipinitialspace=True, strict=strict)


def _ends_its_quotes(text: str, delimiter: str) -> bool:
    try:
        for _ in _cells(_lines(text), delimiter, strict=True):
            pass
    except csv.Error as error:
        return "unexpected end" not in str(error)
    return True


def _lines(text: str) -> Iterator[str]:
    at = 0
    while at < len(text):
        end = text.find("\n", at) + 1 or len(text)
        yield text[at:end]
        at = end


CSV = DocumentFormat(content_type=ContentType.CSV, description="CSV", read=read_csv)
