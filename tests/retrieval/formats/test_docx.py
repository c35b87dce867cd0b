"""Word documents: all that a reader of the page sees is read, once, and nothing that is not there any more."""

import io
from collections.abc import Mapping

import docx
import pytest
from docx.document import Document
from tests.retrieval.formats.office_files import STRICT_W, A, package, paragraph, part, relations, word

from weft_retrieval.formats import ContentType, Parsed, detect, parse

HEADING = '<w:style w:type="paragraph" w:styleId="berschrift1"><w:name w:val="heading 1"/></w:style>'
RUN = "<w:r><w:t>{}</w:t></w:r>"


def read(content: bytes) -> Parsed:
    assert detect("report.docx", content) is ContentType.DOCX
    return parse(content, ContentType.DOCX)


def saved(document: Document) -> bytes:
    out = io.BytesIO()
    document.save(out)
    return out.getvalue()


def lines(body: str, parts: Mapping[str, str | bytes] | None = None) -> list[str]:
    return [line for line in read(word(body, parts)).text.split("\n") if line]


def with_parts(**parts: tuple[str, str]) -> dict[str, str | bytes]:
    """Parts by name, each with the type of its relation and its content."""
    related = {name: f"{kind} {name}.xml" for name, (kind, _) in parts.items()}
    files: dict[str, str | bytes] = {f"word/{name}.xml": content for name, (_, content) in parts.items()}
    return files | {"word/_rels/document.xml.rels": relations(**related)}


def test_a_document_is_read_with_its_headings_lists_and_tables():
    made = docx.Document()
    made.add_heading("Harbour fees", 0)
    made.add_heading("Mooring", 1)
    made.add_paragraph("Nine marks a night.")
    made.add_paragraph("Ask the office.", style="List Number")
    made.add_paragraph("Pay.", style="List Number")
    table = made.add_table(2, 2)
    for at, text in enumerate(("Vessel", "Fee", "Ketch", "nine marks")):
        table.cell(at // 2, at % 2).text = text
    made.add_heading("Cranes", 2)
    parsed = read(saved(made))
    assert [line for line in parsed.text.split("\n") if line] == [
        "Harbour fees",
        "Mooring",
        "Nine marks a night.",
        "1. Ask the office.",
        "2. Pay.",
        "Vessel | Fee",
        "Ketch | nine marks",
        "Cranes",
    ]
    assert [(heading.title, heading.level) for heading in parsed.headings] == [
        ("Harbour fees", 1),
        ("Mooring", 2),
        ("Cranes", 3),
    ]
    assert all(parsed.text[heading.offset :].startswith(heading.title) for heading in parsed.headings)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        # docling-project/docling#3923 and #3950, python-openxml/python-docx#155: text in content controls is lost
        pytest.param(
            f"<w:sdt><w:sdtPr/><w:sdtContent>{paragraph('in it')}</w:sdtContent></w:sdt>", ["in it"], id="sdt"
        ),
        pytest.param(
            f"<w:p>{RUN.format('Before ')}<w:sdt><w:sdtContent>{RUN.format('in it')}</w:sdtContent></w:sdt></w:p>",
            ["Before in it"],
            id="sdt in a line",
        ),
        pytest.param(
            f"<w:tbl><w:sdt><w:sdtContent><w:tr><w:tc>{paragraph('a')}</w:tc><w:sdt><w:sdtContent><w:tc>"
            f"{paragraph('b')}</w:tc></w:sdtContent></w:sdt></w:tr></w:sdtContent></w:sdt></w:tbl>",
            ["a | b"],
            id="sdt around rows and cells",
        ),
        # ECMA-376-1, 17.5.2.39: what an empty control shows is no content
        pytest.param(
            "<w:sdt><w:sdtPr><w:showingPlcHdr/></w:sdtPr><w:sdtContent>"
            f"{paragraph('Click here to enter text.')}</w:sdtContent></w:sdt>{paragraph('kept')}",
            ["kept"],
            id="placeholder",
        ),
        # docling-project/docling#3152 and #745, python-openxml/python-docx#1538: as if all changes were accepted
        pytest.param(
            f"<w:p>{RUN.format('nine')}<w:del><w:r><w:delText>ten</w:delText></w:r></w:del>"
            f"<w:ins>{RUN.format(' marks')}</w:ins></w:p>",
            ["nine marks"],
            id="tracked changes",
        ),
        pytest.param(
            f"<w:p><w:moveFrom>{RUN.format('moved')}</w:moveFrom></w:p><w:p><w:moveTo>{RUN.format('moved')}"
            "</w:moveTo></w:p>",
            ["moved"],
            id="moved",
        ),
        # ECMA-376-1, 17.16: the text of links and the results of fields, not their codes
        pytest.param(
            f'<w:p><w:hyperlink r:id="rId9">{RUN.format("the office")}</w:hyperlink></w:p>', ["the office"], id="link"
        ),
        pytest.param(
            '<w:p><w:r><w:fldChar w:fldCharType="begin"/></w:r><w:r><w:instrText>REF secret</w:instrText></w:r>'
            '<w:r><w:fldChar w:fldCharType="separate"/></w:r>'
            f'{RUN.format("Chapter 2")}<w:r><w:fldChar w:fldCharType="end"/></w:r>'
            f'<w:fldSimple w:instr="PAGE">{RUN.format(", 7")}</w:fldSimple></w:p>',
            ["Chapter 2, 7"],
            id="fields",
        ),
        pytest.param(f"<w:p><w:smartTag>{RUN.format('Kiel')}</w:smartTag></w:p>", ["Kiel"], id="smart tag"),
        # ECMA-376-1, 17.3.2.41: hidden text, also switched off, also of a paragraph's mark
        pytest.param(
            "<w:p><w:pPr><w:rPr><w:vanish/></w:rPr></w:pPr><w:r><w:rPr><w:vanish/></w:rPr><w:t>unseen</w:t></w:r>"
            '<w:r><w:rPr><w:vanish w:val="0"/></w:rPr><w:t>seen</w:t></w:r></w:p>',
            ["seen"],
            id="hidden",
        ),
        # ECMA-376-1, 17.3.3: characters that are elements
        pytest.param(
            "<w:p><w:pPr><w:tabs><w:tab w:val='left'/></w:tabs></w:pPr><w:r><w:t>a</w:t><w:tab/><w:t>b</w:t><w:br/>"
            "<w:t>co</w:t><w:softHyphen/><w:t>op</w:t><w:noBreakHyphen/><w:t>ted</w:t></w:r></w:p>",
            ["a\tb", "coop-ted"],
            id="tabs, breaks and hyphens",
        ),
        pytest.param(
            "<w:p><w:r><w:t>Ge\xadsamt \u200e9\u200f weft_\u200bfee</w:t></w:r></w:p>",
            ["Gesamt 9 weft_fee"],
            id="what nobody sees",
        ),
        pytest.param(
            '<w:p><w:r><w:sym w:font="Symbol" w:char="F06D"/><w:t>m </w:t><w:sym w:font="Wingdings" w:char="F0E0"/>'
            '<w:sym w:font="Arial" w:char="00B0"/></w:r></w:p>',
            ["μm °"],
            id="symbols",
        ),
        # ECMA-376-1, 22.1: formulas
        pytest.param(
            "<w:p><m:oMath><m:sSup><m:e><m:r><m:t>x</m:t></m:r></m:e><m:sup><m:r><m:t>2</m:t></m:r></m:sup></m:sSup>"
            "<m:f><m:num><m:r><m:t>a</m:t></m:r></m:num><m:den><m:r><m:t>b</m:t></m:r></m:den></m:f></m:oMath></w:p>",
            ["x^2a/b"],
            id="formula",
        ),
        pytest.param(
            '<w:p><w:r><w:drawing><wp:inline><wp:docPr id="1" name="Picture 1" descr="A lighthouse at dusk"/>'
            "</wp:inline></w:drawing></w:r></w:p>",
            ["A lighthouse at dusk"],
            id="alternative text",
        ),
        # ECMA-376-1, 17.3.3.25: how a word is pronounced is not part of it
        pytest.param(
            f"<w:p><w:r><w:ruby><w:rt>{RUN.format('とう')}</w:rt><w:rubyBase>{RUN.format('灯')}</w:rubyBase></w:ruby>"
            f"</w:r>{RUN.format('台')}</w:p>",
            ["灯台"],
            id="ruby",
        ),
    ],
)
def test_what_a_reader_sees_is_read_once(body, expected):
    assert lines(body) == expected


def test_a_text_box_is_read_once_though_it_is_stored_twice():
    """ECMA-376-3: one alternative; yfedoseev/office_oxide#163 and #357, jgm/pandoc#5394, python-docx#1389."""
    box = f"<w:txbxContent>{paragraph('In the box')}</w:txbxContent>"
    both = (
        f'<mc:AlternateContent><mc:Choice Requires="wps"><wps:txbx>{box}</wps:txbx></mc:Choice>'
        f"<mc:Fallback><w:pict><v:textbox>{box}</v:textbox></w:pict></mc:Fallback></mc:AlternateContent>"
    )
    assert lines(f"<w:p><w:r>{both}</w:r>{RUN.format('beside it')}</w:p>") == ["In the box", "beside it"]
    old = f"<w:p><w:r><w:pict><v:textbox>{box}</v:textbox></w:pict></w:r></w:p>"
    assert lines(old) == ["In the box"]
    controlled = box.replace("<w:p>", "<w:sdt><w:sdtContent><w:p>").replace("</w:p>", "</w:p></w:sdtContent></w:sdt>")
    assert lines(f"<w:p><w:r><wps:txbx>{controlled}</wps:txbx></w:r></w:p>") == ["In the box"]


def test_tables_are_read_in_rows_with_merged_cells_once_and_tables_in_tables():
    """Unstructured-IO/unstructured#2106, python-openxml/python-docx#344: a merged cell told many times."""
    wide = f"<w:tr><w:tc><w:tcPr><w:gridSpan w:val='2'/></w:tcPr>{paragraph('Fees')}</w:tc></w:tr>"
    tall = f"<w:tr><w:tc><w:tcPr><w:vMerge w:val='restart'/></w:tcPr>{paragraph('Ketch')}</w:tc>"
    under = "<w:tr><w:tc><w:tcPr><w:vMerge/></w:tcPr><w:p/></w:tc>"
    inner = f"<w:tbl><w:tr><w:tc>{paragraph('inner')}</w:tc><w:tc>{paragraph('table')}</w:tc></w:tr></w:tbl>"
    table = (
        f"<w:tbl>{wide}{tall}<w:tc>{paragraph('nine')}{paragraph('marks')}</w:tc></w:tr>"
        f"{under}<w:tc>{inner}<w:p/></w:tc><w:tc>{paragraph('more')}</w:tc></w:tr></w:tbl>"
    )
    assert lines(table) == ["Fees", "Ketch | nine marks", "inner | table | more"]


def test_a_table_that_is_a_layout_keeps_its_paragraphs_and_headings():
    heading = paragraph("Part one", '<w:outlineLvl w:val="0"/>')
    cells = f"<w:tc>{heading}{paragraph('Text.')}</w:tc><w:tc><w:p/></w:tc>"
    parsed = read(word(f"<w:tbl><w:tr>{cells}</w:tr></w:tbl>"))
    assert parsed.text == "Part one\n\nText.\n\n"
    assert [heading.title for heading in parsed.headings] == ["Part one"]


def test_headings_are_known_in_every_language_and_by_their_outline_level():
    """docling-project/docling#3959, PHPOffice/PHPWord#2422: ids of styles are translated, built-in names are not."""

    def style(name: str, content: str) -> str:
        return f'<w:style w:type="paragraph" w:styleId="{name}"><w:name w:val="{name}"/>{content}</w:style>'

    based = style("Eigene", '<w:basedOn w:val="berschrift1"/>')
    outlined = style("X", '<w:pPr><w:outlineLvl w:val="1"/></w:pPr>')
    circle = style("C", '<w:basedOn w:val="C"/>')
    parts = with_parts(styles=("styles", part("styles", HEADING + based + outlined + circle)))
    styled = [paragraph(name, f'<w:pStyle w:val="{name}"/>') for name in ("berschrift1", "Eigene", "X", "C")]
    body = "".join((*styled, paragraph("direct", '<w:outlineLvl w:val="2"/>'), paragraph("text")))
    headings = read(word(body, parts)).headings
    assert [(heading.title, heading.level) for heading in headings] == [
        ("berschrift1", 2),
        ("Eigene", 2),
        ("X", 3),
        ("direct", 4),
    ]


def test_lists_are_numbered_as_word_numbers_them():
    """microsoft/markitdown#1415, docling-project/docling#1212 and #3520; ECMA-376-1, 17.9."""
    levels = "".join(
        f'<w:lvl w:ilvl="{at}"><w:start w:val="1"/><w:numFmt w:val="{how}"/><w:lvlText w:val="{text}"/></w:lvl>'
        for at, how, text in ((0, "upperRoman", "%1."), (1, "decimal", "%1.%2"), (2, "lowerLetter", "(%3)"))
    )
    numbering = (
        f'<w:abstractNum w:abstractNumId="0">{levels}</w:abstractNum>'
        '<w:num w:numId="1"><w:abstractNumId w:val="0"/></w:num><w:num w:numId="2"><w:abstractNumId w:val="0"/>'
        '<w:lvlOverride w:ilvl="0"><w:startOverride w:val="1"/></w:lvlOverride></w:num>'
    )
    parts = with_parts(numbering=("numbering", part("numbering", numbering)))
    items = [("a", 1, 0), ("b", 1, 1), ("c", 1, 2), ("", 1, 2), ("d", 1, 2), ("e", 1, 0), ("f", 1, 1), ("g", 2, 0)]
    items.append(("h", 0, 0))
    body = "".join(
        paragraph(text, f'<w:numPr><w:ilvl w:val="{level}"/><w:numId w:val="{which}"/></w:numPr>')
        for text, which, level in items
    )
    assert lines(body, parts) == ["I. a", "I.1 b", "(a) c", "(c) d", "II. e", "II.1 f", "I. g", "h"]


def test_notes_follow_what_refers_to_them_and_margins_come_once():
    """dnGrep/dnGrep#966, firecrawl/anydoc#132, docling-project/docling#1756; ECMA-376-1, 17.10 and 17.11."""
    notes = (
        f'<w:footnote w:type="separator" w:id="-1">{paragraph("----")}</w:footnote>'
        f'<w:footnote w:id="1">{paragraph("Except in winter.")}</w:footnote>'
        f'<w:footnote w:id="2">{paragraph("Nobody refers to it.")}</w:footnote>'
    )
    parts = with_parts(
        footnotes=("footnotes", part("footnotes", notes)),
        header1=("header", part("hdr", paragraph("Port Authority"))),
        header2=("header", part("hdr", paragraph("Port Authority"))),
        footer1=("footer", part("ftr", paragraph("3") + paragraph("Internal"))),
        comments=("comments", part("comments", f'<w:comment w:id="0">{paragraph("Really?")}</w:comment>')),
    )
    body = f'<w:p>{RUN.format("Nine marks.")}<w:r><w:footnoteReference w:id="1"/></w:r></w:p>{paragraph("After.")}'
    assert lines(body, parts) == ["Port Authority", "Internal", "Nine marks.", "Except in winter.", "After."]


def test_charts_and_diagrams_say_what_they_show():
    """yfedoseev/office_oxide#149 and #271; ECMA-376-1, 21.2 and 21.4."""
    space = f'xmlns:c="http://schemas.openxmlformats.org/drawingml/2006/chart" xmlns:a="{A}"'
    values = "".join(
        f"<c:{role}><c:v>{said[0]}</c:v><c:v>{said[1]}</c:v></c:{role}>"
        for role, said in (("cat", "KS"), ("val", "97"))
    )
    chart = (
        f"<c:chartSpace {space}><c:title><a:p><a:r><a:t>Arrivals</a:t></a:r></a:p></c:title>"
        f"<c:ser><c:tx><c:v>2024</c:v></c:tx>{values}</c:ser></c:chartSpace>"
    )
    data = (
        '<dgm:dataModel xmlns:dgm="http://schemas.openxmlformats.org/drawingml/2006/diagram" '
        f"{space}><a:p><a:r><a:t>Ask first</a:t></a:r></a:p></dgm:dataModel>"
    )
    parts = with_parts(chart1=("chart", chart), data1=("diagramData", data))
    body = '<w:p><w:r><c:chart r:id="chart1"/></w:r><w:r><dgm:relIds r:dm="data1"/></w:r></w:p>'
    assert lines(body, parts) == ["Arrivals", "2024: K 9; S 7", "Ask first"]


MHT = (
    "MIME-Version: 1.0\r\nContent-Type: multipart/related; type=text/html; boundary=x\r\n\r\n--x\r\n"
    "Content-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
    "<p>From a p=\r\nage.\r\n--x--\r\n"
)


@pytest.mark.parametrize(("name", "page"), [("page.html", "<p>From a page."), ("afchunk.mht", MHT)])
def test_a_page_that_word_would_take_in_is_read(name, page):
    """mwilliamson/mammoth.js#78, evidenceprime/html-docx-js#114: all of the text stands in an altChunk (17.17.2.1)."""
    parts = {"word/_rels/document.xml.rels": relations(page=f"aFChunk {name}"), f"word/{name}": page}
    assert lines('<w:altChunk r:id="page"/>', parts) == ["From a page."]


def test_strict_documents_and_other_names_of_the_main_part_are_read():
    """python-openxml/python-docx#693, jgm/pandoc#7691; a main part has any name (ECMA-376-2)."""
    assert read(word(paragraph("strict"), namespace=STRICT_W)).text == "strict\n\n"
    content = f'<w:document xmlns:w="{STRICT_W}"><w:body>{paragraph("macros")}</w:body></w:document>'
    kind = "application/vnd.ms-word.document.macroEnabled.main+xml"
    assert read(package("Word/Document2.xml", content, kind=kind)).text == "macros\n\n"


def test_text_without_a_styles_part_or_headings_is_read():
    assert read(word(paragraph("Bare."))).headings == ()
