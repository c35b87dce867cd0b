"""Content that is something else than its name says: refused with what it is, while odd texts are read."""

import gzip
import io
import random
import sys
import zipfile
from pathlib import Path

import pytest

from weft_kit.rpc.errors import Invalid
from weft_retrieval.formats import ContentType, detect, parse

TEXTS = [ContentType.TEXT, ContentType.MARKDOWN, ContentType.HTML]
PROGRAM = Path(sys.executable).read_bytes()
DEMO = sorted((Path(__file__).parents[3] / "compose" / "demo").iterdir())
ENGLISH = "The keeper reads the tide table, then lights the lamp. "


def zipped(name: str, text: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(name, text)
    return out.getvalue()


def refusal(content: bytes, kind: ContentType) -> str:
    with pytest.raises(Invalid) as caught:
        parse(content, kind)
    assert caught.value.reason_name == "UNREADABLE_DOCUMENT"
    return caught.value.message


BINARY = {
    "an ELF program": b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x03\x00>\x00 GLIBC_2.34 <html>",
    "a Windows program": b"MZ\x90\x00\x03\x00\x00\x00\x04\x00\x00\x00\xff\xff\x00\x00\xb8"
    + bytes(40)
    + b"This program",
    "a ZIP archive": zipped("notes.txt", ENGLISH),
    "a Word document": zipped("word/document.xml", "<w:document/>"),
    "an EPUB book": zipped("mimetype", "application/epub+zip"),
    "an old Office document": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(500),
    "a gzip archive": gzip.compress(ENGLISH.encode()),
    "a PNG image": b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + bytes(9),
    "a JPEG image": b"\xff\xd8\xff\xe0\x00\x10JFIF\x00",
    "a GIF image": b"GIF89a\x01\x00\x01\x00\x80\x00\x00" + bytes(6),
    "an SQLite database": b"SQLite format 3\x00\x10\x00" + bytes(80),
    "a tar archive": b"notes.txt".ljust(257, b"\x00") + b"ustar\x00" + bytes(249),
    "a compiled program": b"\xca\xfe\xba\xbe\x00\x00\x00\x34",
    "binary data": random.Random(1).randbytes(4000),
}


@pytest.mark.parametrize("kind", TEXTS)
@pytest.mark.parametrize("what", BINARY)
def test_what_is_no_text_is_refused_by_what_it_is(what: str, kind: ContentType) -> None:
    expected = {ContentType.TEXT: "text", ContentType.MARKDOWN: "Markdown", ContentType.HTML: "HTML"}[kind]
    assert refusal(BINARY[what], kind).startswith(f"the document looks like {what}, not {expected}; ")


def test_a_real_program_called_html_is_refused() -> None:
    assert detect("ls.html", PROGRAM) is ContentType.HTML
    assert refusal(PROGRAM, ContentType.HTML).endswith("program, not HTML; leave it out, or send its text")


def test_a_refusal_says_what_to_do_next() -> None:
    assert refusal(BINARY["a Word document"], ContentType.TEXT) == (
        "the document looks like a Word document, not text; send it as DOCX"
    )
    assert refusal(BINARY["binary data"], ContentType.HTML) == (
        "the document looks like binary data, not HTML; leave it out, or convert it to UTF-8 "
        "(iconv -f ENCODING -t UTF-8) if it is text"
    )


@pytest.mark.parametrize("kind", TEXTS)
def test_a_pdf_that_claims_to_be_text_is_told_to_come_as_one(kind: ContentType) -> None:
    [emergency] = [path for path in DEMO if path.suffix == ".pdf"]
    assert "looks like a PDF, not" in refusal(emergency.read_bytes(), kind)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"<!doctype html><title>404</title>", "looks like an HTML page, not a PDF; send it as HTML"),
        (PROGRAM, "program, not a PDF; leave it out"),
        (zipped("a.pdf", "%PDF-1.7 endobj"), "looks like a ZIP archive, not a PDF"),
        (b"plain", "does not begin like a PDF"),
    ],
)
def test_what_is_no_pdf_is_told_what_it_is(content: bytes, told: str) -> None:
    assert told in refusal(content, ContentType.PDF)


@pytest.mark.parametrize("path", DEMO, ids=lambda path: path.name)
def test_the_demo_is_read(path: Path) -> None:
    content = path.read_bytes()
    assert parse(content, detect(path.name, content)).text


@pytest.mark.parametrize(
    "text",
    [
        "🚢 ⚓ 👩‍🚀 zażółć gęślą jaźń 灯台 \u200f\u202e\u0645\u0646\u0627\u0631\u0629",
        "page one\fpage two\vthree",
        "\x1b[31mERROR\x1b[0m lamp \x1b]0;title\x07 out\n" * 3,
        "N\bNA\bAM\bME\bE\n     lamp - light it\n",
        "\x1efirst\x1fsecond\x1dthird\x1c" * 20,
        "to the end\x1a",
        "bell\x07bell\x07bell\x07",
        "map \x0cx \x16\x03\x04 " + ENGLISH,
        "PK is not only a prefix",
        "MZ, BM, GIF89a, RIFF, ID3, BZh9 and II* begin files",
        "BM 25 ranks words",
        "%PDF-1.7 is how a PDF begins",
        "x",
    ],
)
@pytest.mark.parametrize("kind", [ContentType.TEXT, ContentType.MARKDOWN, ContentType.HTML])
def test_odd_texts_are_read(text: str, kind: ContentType) -> None:
    assert parse(text.encode(), kind).text.strip()


def test_html_in_an_old_encoding_or_with_a_stray_nul_is_read() -> None:
    old = ("<p>" + "Die Möwe übt. " * 20).encode("windows-1252")
    assert "Möwe übt" in parse(old, ContentType.HTML).text
    assert parse(b"<p>one\x00 two", ContentType.HTML).text.strip() == "one two"


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be", "utf-8"])
@pytest.mark.parametrize("kind", [ContentType.TEXT, ContentType.MARKDOWN, ContentType.HTML])
def test_what_a_byte_order_mark_says_of_the_encoding_holds(encoding: str, kind: ContentType) -> None:
    content = f"\ufeff# Café 灯台 🚢 {ENGLISH}".encode(encoding)
    assert parse(content, kind).text.strip() == f"# Café 灯台 🚢 {ENGLISH}".strip()


def test_a_page_in_utf_16_is_known_as_one_without_a_name() -> None:
    page = "\ufeff<!doctype html><p>Café".encode("utf-16-le")
    assert detect("", page) is ContentType.HTML
    assert parse(page, detect("", page)).text.strip() == "Café"


@pytest.mark.parametrize(
    ("content", "kind", "told"),
    [
        (b"\xff\xfe" + b"\x00\xd8a\x00" * 9, ContentType.TEXT, "looks like binary data, not text"),
        (b"\xff\xfe" + random.Random(2).randbytes(4000), ContentType.HTML, "looks like binary data, not HTML"),
        (b"\xff\xfe\x00\x00" + random.Random(3).randbytes(4000), ContentType.TEXT, "looks like binary data, not text"),
    ],
)
def test_what_its_encoding_does_not_allow_is_refused(content: bytes, kind: ContentType, told: str) -> None:
    assert told in refusal(content, kind)
