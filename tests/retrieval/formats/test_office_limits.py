"""Office documents made to hurt, or broken on their way: refused with what they are and what to do, at little cost."""

import io
import struct
import zipfile

import pytest
from tests.retrieval.formats.office_files import (
    P,
    R,
    S,
    W,
    inline,
    package,
    paragraph,
    relations,
    row,
    word,
    workbook,
    zipped,
)
from tests.retrieval.formats.test_pptx import deck, shape, slide
from tests.support.cost import cost_of

from weft_kit.rpc.errors import Invalid
from weft_retrieval.formats import ContentType, detect, parse

WORKBOOK = f'<workbook xmlns="{S}" xmlns:r="{R}"><sheets>{{}}</sheets></workbook>'
SAVE_AGAIN = "open it where it was made, save it again, and send that"
OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(504)
LAUGHS = (
    '<!DOCTYPE w [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">'
    f'<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;">]><w:document xmlns:w="{W}"><w:body>&c;</w:body></w:document>'
)
OUTSIDE = f'<!DOCTYPE w [<!ENTITY x SYSTEM "file:///etc/passwd">]><w:document xmlns:w="{W}">&x;</w:document>'


def refusal(content: bytes, kind: ContentType = ContentType.DOCX) -> str:
    with pytest.raises(Invalid) as caught:
        parse(content, kind)
    assert caught.value.reason_name == "UNREADABLE_DOCUMENT"
    return caught.value.message


def damaged(content: bytes, old: bytes, new: bytes) -> bytes:
    assert old in content
    return content.replace(old, new)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        # CWE-409; 100 MB of blanks in 100 kB
        (word(paragraph(" " * 100_000_000)), "unpacks to more than 64 times its size"),
        # CWE-776 and CWE-611; ECMA-376-2 allows no DTD in a package
        (package("word/document.xml", LAUGHS), "declares a document type, which is not read"),
        (package("word/document.xml", OUTSIDE), "declares a document type, which is not read"),
        (word(paragraph("x"))[:-40], f"damaged or truncated ZIP archive; {SAVE_AGAIN}"),
        (word(paragraph("x" * 500))[:300], "damaged or truncated ZIP archive"),
        (package("word/document.xml", "<w:document"), f"part 'word/document.xml' is damaged; {SAVE_AGAIN}"),
        (package("word/document.xml", ""), "part 'word/document.xml' is damaged"),
        (zipped({"_rels/.rels": relations(a="officeDocument word/document.xml"), "word/x": "x"}), "is missing"),
        (zipped({"notes.txt": "x"}), "looks like a ZIP archive, not a Word document; leave it out"),
        (workbook(row(1, inline("A1", "x"))), "looks like an Excel workbook, not a Word document; send it as XLSX"),
        (b"<!doctype html><p>x", "looks like HTML, not a Word document; send what it is under its own name"),
        (b"%PDF-1.7 endobj", "looks like a PDF, not a Word document; send it as PDF"),
        (b"plain words", "looks like text, not a Word document"),
        (b"\x7fELF" + bytes(90), "looks like an ELF program, not a Word document"),
        (word("<w:p/>"), "the document holds no text"),
    ],
    ids=["bomb", "laughs", "outside", "end cut off", "half", "broken part", "empty part", "missing part", "archive",
         "workbook", "page", "PDF", "text", "program", "blank"],
)  # fmt: skip
def test_what_cannot_be_read_as_a_word_document_is_told_why(content, told):
    assert told in refusal(content)


@pytest.mark.parametrize(
    ("stream", "told"),
    [
        ("EncryptedPackage", "an Office document that is protected by a password, not text; save a copy without it"),
        ("WordDocument", "an old Word document (.doc), not text; save it as .docx, and send that"),
        ("Workbook", "an old Excel workbook (.xls), not text; save it as .xlsx, and send that"),
        ("PowerPoint Document", "an old PowerPoint presentation (.ppt), not text; save it as .pptx, and send that"),
        ("__properties_version1.0", "an Outlook message (.msg), not text; save it as text or HTML"),
        ("Other", "an old Office document, not text; save it as .docx, .xlsx, .pptx or PDF, and send that"),
    ],
)
def test_compound_files_are_told_by_their_streams(stream, told):
    """[MS-CFB] holds them, [MS-OFFCRYPTO] has the name of what a password protects."""
    content = OLE + stream.encode("utf-16-le") + bytes(600)
    assert f"looks like {told}" in refusal(content, ContentType.TEXT)
    assert f"looks like {told.replace('not text', 'not a Word document')}" in refusal(content)


@pytest.mark.parametrize(
    ("part", "told"),
    [
        ({"xl/workbook.bin": "x"}, "a binary Excel workbook (.xlsb), not text; save it as .xlsx"),
        ({"Index/Document.iwa": "x"}, "an iWork document, not text; save it as .docx"),
        ({"mimetype": "application/vnd.oasis.opendocument.text"}, "an OpenDocument file, not text; save it as .docx"),
    ],
)
def test_kin_of_office_is_told_what_to_be_saved_as(part, told):
    stored = io.BytesIO()
    with zipfile.ZipFile(stored, "w") as archive:
        for name, content in part.items():
            archive.writestr(name, content)
    assert f"looks like {told}" in refusal(stored.getvalue(), ContentType.TEXT)
    rtf = b"{\\rtf1\\ansi words}"
    assert "looks like an RTF document, not text; save it as .docx" in refusal(rtf, ContentType.TEXT)
    # Word saves RTF under its own names, too.
    assert "looks like an RTF document, not a Word document; save it as .docx" in refusal(rtf)


@pytest.mark.parametrize("name", ["report", "report.txt", "report.csv", "report.docx", "report.zip"])
def test_a_package_is_known_by_what_it_holds(name):
    """heypinchy/pinchy#967: a .docx that is called .xlsx is a success without any sheet."""
    for content, kind in (
        (word(paragraph("x")), ContentType.DOCX),
        (workbook(row(1, inline("A1", "x"))), ContentType.XLSX),
        (deck(slide(shape("x"))), ContentType.PPTX),
    ):
        assert detect(name, content) is kind
        assert "x" in parse(content, kind).text


def test_a_part_may_not_say_that_it_is_smaller_than_it_is():
    content = word(paragraph("x" * 5000))
    at = content.rindex(b"PK\x01\x02")
    real = struct.pack("<I", int.from_bytes(content[at + 24 : at + 28], "little"))
    assert "is damaged" in refusal(content[:at] + damaged(content[at:], real, struct.pack("<I", 9)))


def test_a_part_that_is_encrypted_is_told_so():
    plain = word(paragraph("x"))
    last = plain.rindex(b"PK\x01\x02") + 8
    for content in (
        plain[:last] + b"\x01" + plain[last + 1 :],
        plain.replace(b"PK\x01\x02\x14\x03\x14\x00\x00", b"PK\x01\x02\x14\x03\x14\x00\x01"),
    ):
        assert content != plain
        assert "is protected by a password; save a copy without it" in refusal(content)


def test_parts_may_not_unpack_to_too_much_together():
    """CWE-409: each of them within bounds, as in archives whose parts overlap (D. Fifield, 2019)."""
    names = [f"xl/worksheets/sheet{n}.xml" for n in range(9)]
    sheets = "".join(f'<sheet name="{n}" r:id="r{n}"/>' for n in range(9))
    book = package(
        "xl/workbook.xml",
        WORKBOOK.format(sheets),
        {"xl/_rels/workbook.xml.rels": relations(**{f"r{n}": f"worksheet worksheets/sheet{n}.xml" for n in range(9)})}
        | dict.fromkeys(names, f'<worksheet xmlns="{S}">{" " * 3_000_000}</worksheet>'),
    )
    assert "unpacks to more than 64 times its size" in refusal(book, ContentType.XLSX)


def test_a_text_that_is_shown_in_every_cell_is_not_stored_for_each():
    """One shared string, shown everywhere: twenty bytes of a cell stand for thirty kilobytes."""
    cells = "".join(row(n, '<c t="s"><v>0</v></c>') for n in range(1, 2000))
    content = workbook(cells, strings=f"<si><t>{'word ' * 6000}</t></si>")
    assert "shows far more text than its size can hold" in refusal(content, ContentType.XLSX)


@pytest.mark.parametrize(
    "content",
    [
        word("<w:sdt>" * 300_000 + "</w:sdt>" * 300_000 + paragraph("x")),
        word("<w:tbl><w:tr><w:tc>" * 50_000 + paragraph("x") + "</w:tc></w:tr></w:tbl>" * 50_000),
        word("<w:p><w:r>" * 100_000 + "<w:t>x</w:t>" + "</w:r></w:p>" * 100_000),
    ],
    ids=["controls", "tables", "boxes"],
)
def test_depth_stops_nobody(content):
    """CWE-674: recursion that follows the input."""
    assert parse(content, ContentType.DOCX).text == "x\n\n"


def test_names_lead_nowhere_and_parts_may_refer_to_each_other():
    """CWE-22: a target is a name in the archive, whatever it climbs out of."""
    rels = relations(s="styles ../../../etc/passwd", h="header header1.xml", me="footer document.xml")
    parts = {"word/_rels/document.xml.rels": rels, "word/_rels/header1.xml.rels": rels}
    parts["word/header1.xml"] = f'<w:hdr xmlns:w="{W}">{paragraph("Port")}</w:hdr>'
    assert parse(word(paragraph("Text"), parts), ContentType.DOCX).text == "Port\nText\n\nText\n\n"


@pytest.mark.parametrize("kind", ["xlsx", "pptx"])
def test_a_part_that_is_listed_over_and_over_is_read_a_bounded_number_of_times(kind):
    if kind == "xlsx":
        listed = '<sheet name="s" r:id="r1"/>' * 200_000
        parts = {"xl/worksheets/a.xml": f'<worksheet xmlns="{S}"/>'}
        related = {"xl/_rels/workbook.xml.rels": relations(r1="worksheet worksheets/a.xml")}
        content = package("xl/workbook.xml", WORKBOOK.format(listed), {**parts, **related})
    else:
        listed = '<p:sldId r:id="r1"/>' * 200_000
        content = f'<p:presentation xmlns:p="{P}" xmlns:r="{R}"><p:sldIdLst>{listed}</p:sldIdLst></p:presentation>'
        parts = {"ppt/slides/a.xml": slide(shape("x"))}
        related = {"ppt/_rels/presentation.xml.rels": relations(r1="slide slides/a.xml")}
        content = package("ppt/presentation.xml", content, {**parts, **related})
    assert "unpacks to more than 64 times its size" in refusal(content, ContentType(kind))


def test_a_bomb_costs_less_than_its_size_when_unpacked():
    bomb = word(paragraph(" " * 20_000_000))
    assert cost_of(lambda: refusal(bomb), 3) < cost_of(lambda: bytes(20_000_000).translate(None, b"x"), 3)
