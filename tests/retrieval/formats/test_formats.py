"""Formats: what a document's bytes are, and what is read from them."""

import io
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pypdf import PdfWriter

from weft_kit.rpc.errors import Invalid
from weft_retrieval.formats import ContentType, Outline, detect, parse


def pdf(*pages: str) -> bytes:
    """Writes a PDF by hand: one line of text a page."""
    kids = " ".join(f"{3 + 2 * n} 0 R" for n in range(len(pages)))
    objects = ["<< /Type /Catalog /Pages 2 0 R >>", f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>"]
    font = "<< /F1 << /Type /Font /Subtype /Type1 /BaseFont /Helvetica >> >>"
    for n, lines in enumerate(pages):
        shown = " T* ".join(f"({line}) Tj" for line in lines.split("\n"))
        stream = f"BT /F1 12 Tf 14 TL 72 720 Td {shown} ET"
        objects.append(f"<< /Type /Page /Parent 2 0 R /Resources << /Font {font} >> /Contents {4 + 2 * n} 0 R >>")
        objects.append(f"<< /Length {len(stream)} >>\nstream\n{stream}\nendstream")
    body, table = "%PDF-1.4\n", "0000000000 65535 f \n"
    for n, text in enumerate(objects, 1):
        table += f"{len(body):010} 00000 n \n"
        body += f"{n} 0 obj\n{text}\nendobj\n"
    size = len(objects) + 1
    trailer = f"trailer\n<< /Size {size} /Root 1 0 R >>\nstartxref\n{len(body)}\n%%EOF\n"
    return f"{body}xref\n0 {size}\n{table}{trailer}".encode()


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("notes.md", b"x", ContentType.MARKDOWN),
        ("https://x.test/a/page.HTML?q=1#top", b"x", ContentType.HTML),
        ("report.pdf", b"x", ContentType.PDF),
        ("a.txt", b"# not a heading", ContentType.TEXT),
        ("doc-17", b"%PDF-1.7", ContentType.PDF),
        ("https://x.test/index.php?page=2", b"<!doctype html><p>x", ContentType.HTML),
        ("https://docs.rs", b"<html><p>x", ContentType.HTML),
        ("deploy.sh", b"# not a heading", ContentType.TEXT),
        ("fees.CSV", b"a,b", ContentType.CSV),
        ("run.ipynb", b"{}", ContentType.JSON),
        ("report.docx", b"x", ContentType.DOCX),
        ("", b"\xef\xbb\xbf\n <!DOCTYPE html><p>x", ContentType.HTML),
        ("", b"## Title\ntext", ContentType.MARKDOWN),
        ("", b"#hashtag", ContentType.TEXT),
        ("", b"", ContentType.TEXT),
    ],
)
def test_the_type_comes_from_the_name_then_from_the_first_bytes(name, content, kind):
    assert detect(name, content) is kind


def test_text_loses_its_byte_order_mark_and_foreign_line_ends():
    assert parse(b"\xef\xbb\xbfa\r\nb\rc", ContentType.TEXT).text == "a\nb\nc"


def test_markdown_finds_both_kinds_of_headings_and_none_in_code():
    parsed = parse(
        b"---\ntitle: x\n---\n# One *two*\n```sh\n# comment\n```\nThree\n-----\n- item\n---\n#### [Four](u) ####\n",
        ContentType.MARKDOWN,
    )
    assert [(h.level, h.title) for h in parsed.headings] == [(1, "One two"), (2, "Three"), (4, "Four")]
    assert [parsed.text[h.offset :].split("\n")[0] for h in parsed.headings] == [
        "# One *two*", "Three", "#### [Four](u) ####"
    ]  # fmt: skip


def test_html_gives_the_article_without_what_surrounds_it():
    parsed = parse(
        b"<html><head><title>t</title><style>p{}</style></head><body><nav>menu</nav><main><h1>Ti<b>des</b></h1>"
        b"<p>The moon\n  pulls<br>the <a href=x>sea</a>.</p><script>alert(1)</script><ul><li>one<li>two</ul>"
        b"<pre>a\n  b</pre><table><tr><td>1<td>2</table></main><footer>imprint</footer></body></html>",
        ContentType.HTML,
    )
    assert parsed.text.split("\n\n") == ["Tides", "The moon pulls\nthe sea.", "one", "two", "a\n  b", "1 2", ""]
    assert [(h.offset, h.level, h.title) for h in parsed.headings] == [(0, 1, "Tides")]


@pytest.mark.parametrize(
    "content",
    [
        "<p>café</p>".encode(),
        b"<meta charset=latin-1><p>caf\xe9</p>",
        b"<p>caf\xe9</p>",
        "\ufeff<p>café</p>".encode("utf-16-le"),
        b"<meta charset=no-such><p>caf\xc3\xa9</p>",
    ],
)
def test_html_is_decoded_as_it_says_or_as_browsers_guess(content):
    assert parse(content, ContentType.HTML).text.strip() == "café"


def test_hostile_html_nesting_is_read():
    assert parse(b"<div>" * 5_000 + b"deep", ContentType.HTML).text.strip() == "deep"


def test_pdf_pages_are_read_and_wrapped_lines_joined():
    parsed = parse(pdf("The moon pulls the\nsea and moves wa-\nter.", "Second page."), ContentType.PDF)
    assert parsed.text == "The moon pulls the sea and moves water.\n\nSecond page."


def locked_pdf() -> bytes:
    writer = PdfWriter()
    writer.add_blank_page(100, 100)
    writer.encrypt("secret", algorithm="RC4-128")
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def blank_pdf() -> bytes:
    writer = PdfWriter()
    writer.add_blank_page(100, 100)
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


@pytest.mark.parametrize(
    ("content", "kind", "told"),
    [
        ("The keeper".encode("cp037") * 3, ContentType.TEXT, "not UTF-8 at byte 4"),
        (b"<meta charset=gbk>" + b"\x81\x20\xff\x9d\xb4" * 40, ContentType.HTML, "as gb18030"),
        (b"plain", ContentType.PDF, "does not begin like a PDF"),
        (b"%PDF-1.7\n%%EOF", ContentType.PDF, "damaged"),
        (pdf("x")[:200], ContentType.PDF, "damaged"),
        (blank_pdf(), ContentType.PDF, "no text layer"),
        (locked_pdf(), ContentType.PDF, "encrypted"),
        (b"", ContentType.HTML, "no text"),
        (b"  \n", ContentType.TEXT, "no text"),
    ],
)
def test_what_cannot_be_read_is_refused_with_the_next_step(content, kind, told):
    with pytest.raises(Invalid, match=told) as caught:
        parse(content, kind)
    assert caught.value.reason_name == "UNREADABLE_DOCUMENT"


@settings(max_examples=150)
@given(st.binary(max_size=300), st.sampled_from(ContentType), st.sampled_from([b"", b"%PDF-1.4\n", b"<html>", b"# "]))
def test_any_bytes_are_read_or_refused(content, kind, start):
    try:
        parsed = parse(start + content, kind)
    except Invalid:
        return
    assert "\x00" not in parsed.text
    parsed.text.encode()
    assert all(0 <= heading.offset <= len(parsed.text) for heading in parsed.headings)


UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"<h1>one &#0; two</h1><p title='&#0;'>three &#xd800; four &#x0;", ContentType.HTML),
        (b"<h1>one \x00 two</h1><p>three \x00 four", ContentType.HTML),
        (b"# one &#0; two\n\nthree &#xd800; four", ContentType.MARKDOWN),
        (pdf("one \\000 two three \\330\\000 four"), ContentType.PDF),
        *((f"<meta charset={name}><h1>one +2AA- two</h1>three \\ud800 \\x00 four".encode(), ContentType.HTML)
          for name in ("utf-7", "unicode_escape", "punycode", "idna", "undefined", "rot13", "zlib_codec", "cp037")),
    ],
)  # fmt: skip
def test_what_was_read_can_be_stored(content, kind):
    parsed = parse(content, kind)
    read = "".join((parsed.text, *(heading.title for heading in parsed.headings)))
    assert not UNSTORABLE.search(read)
    assert read.strip()


def test_an_outline_knows_which_headings_are_in_force():
    parsed = parse(b"# A\n## B\n### C\n## D\n# E\n", ContentType.MARKDOWN)
    outline = Outline(parsed.headings)
    over = [[heading.title for heading in outline.over(offset)] for offset in outline.offsets]
    assert over == [["A"], ["A", "B"], ["A", "B", "C"], ["A", "D"], ["E"]]
    assert Outline(()).over(5) == ()
