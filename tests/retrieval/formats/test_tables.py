"""Workbooks and CSV: every row says what its values are, as people see them."""

import datetime as dt
import io

import openpyxl
import pytest
from openpyxl.chart import BarChart, Reference
from tests.retrieval.formats.office_files import inline, row, workbook

from weft_kit.rpc.errors import Invalid
from weft_retrieval.formats import ContentType, Parsed, detect, parse
from weft_retrieval.formats.office.number_formats import NumberFormats

SPACE = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'


def read(content: bytes) -> Parsed:
    assert detect("fees", content) is ContentType.XLSX
    return parse(content, ContentType.XLSX)


def rows(content: bytes) -> list[str]:
    return [line for line in read(content).text.split("\n") if line]


def csv_rows(text: str) -> list[str]:
    return [line for line in parse(text.encode(), ContentType.CSV).text.split("\n") if line]


def saved(book: openpyxl.Workbook) -> bytes:
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def test_a_sheet_is_a_heading_and_every_row_has_its_labels():
    """heypinchy/pinchy#967, Azure/gpt-rag-ingestion#103: a row without its header row cannot be understood."""
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = "Fees"
    for line in (["Vessel", "Fee", "Since"], ["Ketch", 9, dt.date(2024, 3, 1)], ["Sloop", 7.5, None]):
        sheet.append(line)
    book.create_sheet("Spare").append(["only this"])
    book["Spare"].sheet_state = "hidden"
    parsed = read(saved(book))
    assert rows(saved(book)) == [
        "Fees",
        "Vessel | Fee | Since",
        "Vessel: Ketch; Fee: 9; Since: 2024-03-01",
        "Vessel: Sloop; Fee: 7.5",
        "Spare (hidden)",
        "only this",
    ]
    assert [(heading.level, heading.title) for heading in parsed.headings] == [(1, "Fees"), (1, "Spare (hidden)")]
    assert parsed.title == ""


def test_a_workbook_of_empty_sheets_holds_no_text():
    book = openpyxl.Workbook()
    book.create_sheet("Spare")
    with pytest.raises(Invalid, match="holds no text"):
        read(saved(book))


def test_captions_stand_over_a_table_and_labels_hold_after_a_blank_row():
    """infiniflow/ragflow#19185: rows after a blank gap."""
    book = openpyxl.Workbook()
    for line in (["Harbour fees"], [], ["Vessel", "Fee"], ["Ketch", 9], [], ["Sloop", 7], [], ["Total", 16, "paid"]):
        book.active.append(line)
    assert rows(saved(book))[1:] == [
        "Harbour fees",
        "Vessel | Fee",
        "Vessel: Ketch; Fee: 9",
        "Vessel: Sloop; Fee: 7",
        "Total | 16 | paid",
    ]


def test_charts_and_merged_cells_are_read_once():
    book = openpyxl.Workbook()
    for line in (["Vessel", "Fee"], ["Ketch", 9], ["Sloop", 7]):
        book.active.append(line)
    book.active.merge_cells("D1:E3")
    book.active["D1"] = "merged"
    chart = BarChart()
    chart.title = "Fees by vessel"
    chart.add_data(Reference(book.active, min_col=2, min_row=1, max_row=3), titles_from_data=True)
    book.active.add_chart(chart)
    text = read(saved(book)).text
    assert (text.count("merged"), text.count("Fees by vessel")) == (1, 1)


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        # ECMA-376-1, 18.18.11: the types of cells
        ('<c t="b"><v>1</v></c><c t="b"><v>0</v></c>', "TRUE | FALSE"),
        ('<c t="e"><v>#DIV/0!</v></c><c t="str"><f>A1&amp;"x"</f><v>joined</v></c>', "#DIV/0! | joined"),
        ('<c t="d"><v>2024-03-01</v></c><c><f>B2*2</f><v>18</v></c>', "2024-03-01 | 18"),
        # a formula that no program has worked out yet, as openpyxl writes it
        ("<c><f>SUM(B1:B9)</f></c><c><v>3</v></c>", "=SUM(B1:B9) | 3"),
        ('<c t="s"><v>0</v></c><c t="s"><v>7</v></c><c><v>1.0</v></c>', "rich text | 1"),
        (
            '<c t="inlineStr"><is><r><t>in</t></r><r><t>line</t></r></is></c><c><v>0.30000000000000004</v></c>',
            "inline | 0.3",
        ),
        ('<c r="C1"><v>1E21</v></c><c r="A1"><v>x</v></c>', "x | 1e+21"),
    ],
)
def test_a_cell_is_read_by_its_type(cells, expected):
    strings = "<si><r><t>rich </t></r><r><t>text</t></r><rPh><t>reading</t></rPh></si>"
    assert rows(workbook(row(1, cells), strings=strings))[1:] == [expected]


@pytest.mark.parametrize(
    ("value", "code", "expected"),
    [
        ("0.125", "0.0%", "12.5%"),
        ("0.125", "0%", "12%"),
        ("9", '#,##0.00 "€"', "9.00 €"),
        ("1234.5", '"$"#,##0.00', "$1234.50"),
        ("9.5", "[$CHF-807] 0.00", "CHF 9.50"),
        ("-9", "#,##0;[Red]-#,##0", "-9"),
        ("-9", '"$"#,##0_);\\("$"#,##0\\)', "-$9"),
        ("7", "00000", "00007"),
        ("12", '0" kg"', "12 kg"),
        ("1234567", "#,##0,", "1235"),
        ("0.5", "#.##", "0.5"),
        ("3.14159", "General", "3.14159"),
        ("3", "", "3"),
        ("0.00001", "0.00E+00", "1e-05"),
        ("45352", "yyyy-mm-dd", "2024-03-01"),
        ("45352.6041666667", "dd/mm/yyyy hh:mm", "2024-03-01 14:30"),
        ("45352", 'd" de "mmmm', "2024-03-01"),
        ("0.604166666666667", "h:mm AM/PM", "14:30"),
        ("1.5", "[h]:mm", "36:00:00"),
        ("1", "m/d/yy", "1900-01-01"),
        ("61", "[$-409]mmm\\-yy;@", "1900-03-01"),
        ("-1", "yyyy", "-1"),
        ("1e300", "yyyy", "1e+300"),
        ("nan", "0", "nan"),
        ("text", "0", "text"),
    ],
)
def test_a_number_is_shown_as_its_format_has_it(value, code, expected):
    """ECMA-376-1, 18.8.31; SheetJS/sheetjs#17, catamphetamine/read-excel-file#3."""
    code = code.replace("&", "&amp;").replace('"', "&quot;")
    styles = (
        f'<styleSheet {SPACE}><numFmts><numFmt numFmtId="164" formatCode="{code}"/></numFmts>'
        '<cellStyleXfs><xf numFmtId="14"/></cellStyleXfs><cellXfs><xf/><xf numFmtId="164"/></cellXfs></styleSheet>'
    )
    assert NumberFormats(styles.encode(), since_1904=False).shown(value, "1") == expected


def test_days_count_from_1904_where_a_workbook_says_so():
    """weshatheleopard/rubyXL#53; ECMA-376-1, 18.2.28."""
    styles = '<cellXfs><xf/><xf numFmtId="14"/></cellXfs>'
    content = workbook(row(1, '<c s="1"><v>1</v></c>'), styles=styles, properties='<workbookPr date1904="1"/>')
    assert rows(content)[1:] == ["1904-01-02"]


def test_what_a_sheet_says_of_its_size_hides_nothing_and_costs_nothing():
    """shuchkin/simplexlsx#168, wireservice/agate-excel#22, pandas-dev/pandas#39001."""
    content = workbook(row(1, inline("A1", "first")) + row(1_048_576, inline("XFD1048576", "last")))
    assert rows(content)[1:] == ["first", "last"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # simstudioai/sim#5888, duckdb/duckdb#14115: delimiters
        ("Vessel;Fee\nKetch;9,5\nSloop;7,0\n", ["Vessel | Fee", "Vessel: Ketch; Fee: 9,5", "Vessel: Sloop; Fee: 7,0"]),
        ("Vessel\tFee\nKetch\t9\n", ["Vessel | Fee", "Vessel: Ketch; Fee: 9"]),
        ("Vessel|Fee\nKetch|9\n", ["Vessel | Fee", "Vessel: Ketch; Fee: 9"]),
        ("sep=;\nVessel;Fee\nKetch;9\n", ["Vessel | Fee", "Vessel: Ketch; Fee: 9"]),
        ("\ufeffVessel,Fee\r\nKetch,9\r\n", ["Vessel | Fee", "Vessel: Ketch; Fee: 9"]),
        # RFC 4180: a cell with line ends, delimiters and quotes
        ('Vessel,Note,Fee\nKetch,"a ""big"", old\nboat",9\n',
         ["Vessel | Note | Fee", 'Vessel: Ketch; Note: a "big", old boat; Fee: 9']),
        # eosphoros-ai/DB-GPT#3137: no row of labels
        ("Ketch,9\nSloop,7\n", ["Ketch | 9", "Sloop | 7"]),
        ("Ketch,north\nSloop,north\n", ["Ketch | north", "Sloop | north"]),
        # rows that are longer or shorter than the first
        ("Vessel,Fee\nKetch,9,extra\nSloop\n", ["Vessel | Fee", "Vessel: Ketch; Fee: 9; extra", "Sloop"]),
        # a quote that never ends
        ('Vessel,Fee\n"Ketch,9\nSloop,7\n', ["Vessel | Fee", 'Vessel: "Ketch; Fee: 9', "Vessel: Sloop; Fee: 7"]),
        # a space after the delimiter, and a quote after that (RFC 4180 has none, Python's `skipinitialspace` is for it)
        (
            'Vessel, Fee, Note\nKetch, 9, "old, red"\nSloop, 7, "new"\n',
            ["Vessel | Fee | Note", "Vessel: Ketch; Fee: 9; Note: old, red", "Vessel: Sloop; Fee: 7; Note: new"],
        ),
        ("Item,2023,2024\nKetch,9,10\n", ["Item | 2023 | 2024", "Ketch | 9 | 10"]),
        # future-agi/future-agi#1517: one column of prose
        ("notes\nhello, world\nbye\n", ["notes", "hello, world", "bye"]),
        ("one\ntwo\n", ["one", "two"]),
    ],
)  # fmt: skip
def test_csv_is_read_as_rows_with_labels(text, expected):
    assert csv_rows(text) == expected


def test_labels_that_may_be_values_stand_over_the_rows():
    """Whether texts over texts are labels cannot be known: they are context, not part of every row."""
    parsed = parse(b"Vessel,Port\nKetch,Kiel", ContentType.CSV)
    assert (parsed.text, [heading.title for heading in parsed.headings]) == (
        "Vessel | Port\n\nKetch | Kiel\n\n",
        ["Vessel | Port"],
    )


def test_a_cell_may_be_as_long_as_the_document():
    """python/cpython#157678: 131,072 characters is the limit of the module csv."""
    text = "word " * 60_000
    assert text.strip() in parse(f'a,b\n1,"{text}"\n'.encode(), ContentType.CSV).text


def test_a_wide_row_is_cut_between_its_values():
    header = ",".join(f"Column {n}" for n in range(60))
    text = parse(f"{header}\n{','.join(str(n) for n in range(60))}\n".encode(), ContentType.CSV).text
    assert "\nColumn 7: 7\nColumn 8: 8\n" in text
