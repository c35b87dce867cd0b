"""What Office documents, CSV and JSON cost grows with their size: the worst inputs known of every reader."""

from collections.abc import Callable
from contextlib import suppress

import pytest
from tests.retrieval.formats.office_files import word, workbook
from tests.retrieval.test_linear_cost import all_of, repeated
from tests.support.cost import assert_linear

from weft_kit.rpc.errors import Invalid
from weft_retrieval.formats import ContentType, parse

RUN = "<w:r><w:t>x</w:t></w:r>"
SHOWN = f"<w:p>{RUN}</w:p>"
LABELS = '<row><c t="inlineStr"><is><t>one</t></is></c><c t="inlineStr"><is><t>two</t></is></c></row>'


def nested(opening: str, closing: str, inside: str = RUN) -> Callable[[int], str]:
    return lambda size: (times := size // len(opening + closing)) * opening + inside + times * closing


def numbered(text: str, before: str = "", after: str = "") -> Callable[[int], str]:
    return lambda size: before + "".join(text.format(at) for at in range(size // len(text))) + after


WORD = {
    "paragraphs": repeated(SHOWN),
    "runs": repeated(RUN, "<w:p>", "</w:p>"),
    "boxes in boxes": nested(f"<w:p>{RUN}", "</w:p>"),
    "controls in controls": nested("<w:sdt>", "</w:sdt>", SHOWN),
    "tables in tables": nested(f"<w:tbl><w:tr><w:tc>{SHOWN}", "</w:tc></w:tr></w:tbl>"),
    "cells": repeated(f"<w:tc>{SHOWN}</w:tc>", "<w:tbl><w:tr>", "</w:tr></w:tbl>"),
    "alternatives": repeated("<mc:AlternateContent><mc:Choice/><mc:Fallback/></mc:AlternateContent>"),
    "alternatives in each other": nested("<mc:AlternateContent><mc:Choice>", "</mc:Choice></mc:AlternateContent>"),
    "attributes": numbered(' a{}="x"', "<w:p", "/>"),
    "elements of no known name": numbered("<w:a{}/>"),
    "one long comment": repeated("-x", "<!--", "-->"),
    "notes": repeated('<w:footnoteReference w:id="1"/>', "<w:p>", "</w:p>"),
    "headings": repeated(f'<w:p><w:pPr><w:outlineLvl w:val="3"/></w:pPr>{RUN}</w:p>'),
}
EXCEL = {
    "cells": repeated("<c><v>1</v></c>", "<row>", "</row>"),
    "rows": repeated("<row><c><v>1</v></c></row>"),
    "rows with labels": repeated("<row><c><v>1</v></c><c><v>2</v></c></row>", LABELS),
    "blank rows": repeated("<row><c><v>1</v></c></row><row/>"),
    "cells that come again": repeated('<c r="XFD1"><v>1</v></c><c r="A1"><v>1</v></c>', "<row>", "</row>"),
    "text in pieces": repeated("<t>x</t>", '<row><c t="inlineStr"><is>', "</is></c></row>"),
}
CSV = {
    "quotes": repeated('"'),
    "open quotes": repeated('"a,'),
    "quoted delimiters": repeated('",",'),
    "delimiters": repeated(",;\t|"),
    "rows of one": repeated("a\n"),
    "rows with labels": repeated("1,2\n", "label,another\n"),
    "line ends in quotes": repeated("\n", 'a"', '"'),
    "one row": repeated("17,"),
}
JSON = {
    "open brackets": repeated("["),
    "open keys": repeated('{"a":'),
    "brackets": repeated("[],", "[", "1]"),
    "objects": repeated('{"a":1},', "[", "1]"),
    "keys": numbered('"{0}":{0},', "{", '"a":1}'),
    "depth": repeated('{"a":' * 90 + "1" + "}" * 90 + ",", "[", "1]"),
    "depth of what is large": lambda size: ('{"a":"' + "x" * (size // 90) + '","b":') * 90 + "1" + "}" * 90,
    "lines": repeated('{"a":1}\n'),
    "lines that are none": repeated("{a\n"),
    "escapes": repeated("\\u0041", '"', '"'),
    "data": repeated("data:;base64", '"', '"'),
}


def read(content: bytes, kind: ContentType) -> None:
    """Reads what may be found to hold nothing."""
    with suppress(Invalid):
        parse(content, kind)


@all_of(WORD)
def test_reading_word_documents_is_linear(make):
    assert_linear(lambda body: read(word(SHOWN + body), ContentType.DOCX), make, 16_000)


@all_of(EXCEL)
def test_reading_workbooks_is_linear(make):
    assert_linear(lambda rows: read(workbook(rows), ContentType.XLSX), make, 16_000)


@all_of(CSV)
def test_reading_csv_is_linear(make):
    assert_linear(lambda text: read(text.encode(), ContentType.CSV), make, 8_000)


@all_of(JSON)
def test_reading_json_is_linear(make):
    assert_linear(lambda text: read(text.encode(), ContentType.JSON), make, 8_000)


@pytest.mark.parametrize(
    "make", [repeated("1,", "[", "1]"), repeated('{"a":1},', "[", "1]"), repeated("[],", "[", "1]")]
)
def test_text_grows_no_faster_than_the_document(make):
    assert len(parse(make(100_000).encode(), ContentType.JSON).text) < 200_000
