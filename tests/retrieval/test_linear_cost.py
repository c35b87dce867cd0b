"""What a document costs grows with its size: the worst inputs known of every reader, of cutting and of analysis."""

import random
import zlib
from collections.abc import Callable

import pytest
from tests.support.cost import assert_linear

from weft_kit.rpc.errors import Invalid
from weft_retrieval.analysis.analysis import analyzer
from weft_retrieval.analysis.languages import LANGUAGES
from weft_retrieval.chunking.chunking import Chunking, Cutter
from weft_retrieval.chunking.tokens import load_tokenizer
from weft_retrieval.formats import ContentType, Parsed, detect, parse
from weft_retrieval.metadata import point_in_time

CUTTER = Cutter(load_tokenizer(None), 256)
Make = Callable[[int], str]


def repeated(atom: str, before: str = "", after: str = "") -> Make:
    return lambda size: before + atom * (size // len(atom)) + after


def drawn(atoms: str, between: str = "") -> Make:
    chance = random.Random(1)
    return lambda size: between.join(chance.choices(atoms.split(), k=size // 4))


MARKDOWN = {
    "blanks in a heading": repeated(" ", "# a", "b"),
    "tabs in a heading": repeated("\t", "# a", "b"),
    "number signs": repeated("#", "# a ", "b"),
    "spaced number signs": repeated(" #", "#", "b"),
    "brackets": repeated("[", "# "),
    "images": repeated("![", "# "),
    "links": repeated("[a](", "# "),
    "underscores": repeated("_", "# a", "b"),
    "emphasis": repeated("**a", "# "),
    "underline": repeated("=", "a\n", "b"),
    "digits": repeated("1", "", "\n---"),
    "fences": repeated("```\n"),
    "long fences": lambda size: "`" * (size // 2) + "\n" + "```\n" * (size // 8),
    "front matter": repeated("---\n-", "---\n"),
    "headings": repeated("###### a\n"),
}
HTML = {
    "depth": repeated("<div>x"),
    "depth of spans": repeated("<span>x"),
    "lists in lists": repeated("<ul><li>x"),
    "items in other items": repeated("<li><dd>x"),
    "tables in tables": repeated("<table><td>x"),
    "paragraphs in menus": repeated("<nav><p>x"),
    "formatting left open": lambda size: "".join(f"<p><font a={at}>x" for at in range(size // 18)),
    "formatting and misplaced ends": repeated("<a><b></a></b>"),
    "ends of nothing": lambda size: "<div>" * (size // 10) + "</p>" * (size // 8),
    "ends behind walls": repeated("<div><object></div>"),
    "unknown elements": repeated("<x><div></x>"),
    "foreign elements": repeated("<svg><p><x/>"),
    "attributes": lambda size: "<a " + " ".join(f"a{at}" for at in range(size // 7)) + ">x</a>",
    "attributes of the body": lambda size: "".join(f"<body a{at}=1>x" for at in range(size // 15)),
    "an attribute without end": repeated('<a x="'),
    "tags without end": repeated("<a "),
    "comments without end": repeated("x<!--"),
    "options": repeated("<option>x", "<select>", "</select>x"),
    "hidden in hidden": repeated("<div hidden>", "x"),
    "inline elements far from their block": repeated("x<b></b>", "<span>" * 255),
    "entities": repeated("&amp;&a"),
    "white space": repeated(" ", "<p>x", "x"),
    "raised numbers behind a long text": lambda size: "word " * (size // 10) + "word" + "<sup></sup>" * (size // 22),
}
TEXT = {
    "JSON on one line": drawn('{"key":12, "list":[1], "text":"a", null,'),
    "CSV on one line": drawn("17 2041 3.5 9", ","),
    "minified code": drawn("function(a){ return b;} if(a&&b) foo.bar[0]"),
    "base64": drawn("aB3 Zx9 +/k qQ1"),
    "Thai": drawn("เรือ ออก จาก ท่า เวลา เช้า"),
    "Lao": drawn("ເຮືອ ອອກ ຈາກ ທ່າ"),
    "Khmer": drawn("ទូក ចេញ ពី ផែ"),
    "Chinese": drawn("船 从 港 口 出 发"),
    "Japanese": drawn("船は 港 カタ 出る"),
    "accents": repeated("e\u0301"),
    "joined emoji": repeated("👩‍👩‍👧"),
    "punctuation": repeated(","),
    "very short lines": repeated("a\n"),
    "very short paragraphs": repeated("a\n\n"),
    "empty lines": repeated("\n", "a", "b"),
    "very short sentences": repeated("A b. "),
    "lines just too long": repeated("xx " * 201 + "\n"),
    "more and more empty lines": lambda size: "".join("a" + "\n" * at for at in range(int((2 * size) ** 0.5))),
}
HEADED = {
    "many headings": repeated("###### a\n"),
    "headings under long headings": repeated(
        "###### a\n", "".join(f"{'#' * n} {'long ' * 199}\n" for n in range(1, 6))
    ),
    "a long heading": lambda size: "# " + "long " * (size // 10) + "\n" + "text. " * (size // 12),
}
WORDS = {
    "one word": repeated("a"),
    "apostrophes": repeated("a'"),
    "full stops": repeated("a."),
    "suffixes": repeated("ations"),
    "ligatures": repeated("\ufdfa"),
    "Han": repeated("字"),
    "Thai": repeated("กำ"),
    "hyphens": repeated("a-"),
    "line ends with hyphens": repeated("a-\n"),
    "slashes": repeated("a/1"),
    "underscores": repeated("_", "a"),
    "a word between underscores": repeated("a__"),
    "capitals": repeated("aB"),
    "digits": repeated("1"),
    "thousands": repeated(",000", "1"),
    "thousands and letters": repeated(".000a", "1"),
    "plus signs": repeated("a+"),
    "points": repeated(" ."),
    "accents": repeated("\u0301", "e"),
    "vowel signs": repeated("कि"),
    "emoji": repeated("🙂"),
}


def all_of(cases: dict[str, Make]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("make", cases.values(), ids=cases.keys())


@all_of(MARKDOWN)
def test_reading_markdown_is_linear(make):
    assert_linear(lambda text: parse(text.encode(), ContentType.MARKDOWN), make, 8_000)


@all_of(HTML)
def test_reading_html_is_linear(make):
    assert_linear(lambda text: parse(b"<p>read</p>" + text.encode(), ContentType.HTML), make, 16_000)


@all_of(TEXT | MARKDOWN)
def test_telling_a_kind_is_linear(make):
    assert_linear(lambda text: (detect("", text.encode()), parse(text.encode(), ContentType.TEXT)), make, 16_000)


@all_of(TEXT)
def test_cutting_is_linear(make):
    assert_linear(lambda text: CUTTER.chunks("d", "", Parsed(text), Chunking()), make, 8_000)


@all_of(HEADED)
def test_cutting_under_headings_is_linear(make):
    parsed = {}

    def cut(text: str) -> object:
        parsed.setdefault(text, parse(text.encode(), ContentType.MARKDOWN))
        return CUTTER.chunks("d", "", parsed[text], Chunking())

    assert_linear(cut, make, 8_000)


@all_of(WORDS | TEXT)
def test_analysis_is_linear(make):
    assert_linear(analyzer("english"), make, 16_000)


@pytest.mark.parametrize("language", sorted(LANGUAGES))
def test_every_stemmer_is_linear(language):
    assert_linear(analyzer(language), repeated("internationalisations "), 16_000)


def test_reading_a_time_is_linear():
    assert_linear(point_in_time, repeated("1", "2026-01-01T00:00:00.", "x"), 100_000)


def pdf(*objects: bytes) -> bytes:
    body, offsets = b"%PDF-1.4\n", []
    for number, text in enumerate(objects, 1):
        offsets.append(len(body))
        body += b"%d 0 obj\n%s\nendobj\n" % (number, text)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    size = len(objects) + 1
    return body + (
        b"xref\n0 %d\n0000000000 65535 f \n%strailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n"
        % (size, table, size, len(body))
    )


def stream(content: bytes, described: bytes = b"") -> bytes:
    packed = zlib.compress(content, 9)
    return b"<< /Length %d /Filter /FlateDecode %s >>\nstream\n%s\nendstream" % (len(packed), described, packed)


CATALOG = b"<< /Type /Catalog /Pages 2 0 R >>"
SHOWN = b"BT /F1 12 Tf 72 720 Td (x) Tj ET"
FONT = b"/Font << /F1 << /Type /Font /Subtype /Type1 /BaseFont /Helvetica >> >>"
FORM = b"/Type /XObject /Subtype /Form /BBox [0 0 9 9] /Resources << " + FONT + b" /XObject << /X %d 0 R >> >>"


def tree_of_repeated_kids(depth: int = 9, each: int = 3) -> bytes:
    """Three kids under each of nine nodes, one and the same: 19,683 pages."""
    nodes = [b"<< /Type /Pages /Kids [%s] /Count 1 >>" % (b"%d 0 R " % (3 + at) * each) for at in range(depth)]
    last = len(nodes) + 2
    page = b"<< /Type /Page /Parent 2 0 R /Resources << %s >> /Contents %d 0 R >>" % (FONT, last + 1)
    return pdf(CATALOG, *nodes, page, stream(SHOWN * 300))


def forms_in_forms(pages: int = 60) -> bytes:
    """Every page shows ten forms, each of which shows ten, and so on."""
    kids = b"3 0 R " * pages
    page = b"<< /Type /Page /Parent 2 0 R /Contents 4 0 R /Resources << %s /XObject << /X 5 0 R >> >> >>" % FONT
    forms = [stream(SHOWN + b" /X Do " * 10, FORM % (6 + at)) for at in range(8)]
    tree = b"<< /Type /Pages /Kids [%s] /Count %d >>" % (kids, pages)
    return pdf(CATALOG, tree, page, stream(b"/X Do " * 10), *forms, stream(SHOWN, FORM % 99))


@pytest.mark.parametrize("content", [tree_of_repeated_kids(), forms_in_forms()], ids=["pages", "forms"])
def test_a_small_pdf_that_shows_its_parts_over_and_over_is_refused(content):
    assert len(content) < 4096
    with pytest.raises(Invalid, match="far more than its size can hold"):
        parse(content, ContentType.PDF)


def test_a_stream_that_unpacks_to_far_more_than_its_size_is_refused():
    page = b"<< /Type /Page /Parent 2 0 R /Resources << %s >> /Contents 4 0 R >>" % FONT
    content = pdf(CATALOG, b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>", page, stream(b" " * 40_000_000 + SHOWN))
    assert len(content) < 64 * 1024
    with pytest.raises(Invalid, match="far more than its size can hold"):
        parse(content, ContentType.PDF)


def test_html_beyond_the_bounds_loses_no_text():
    deep = b"<div>one" * 700 + b"<b>two" * 50 + b"</b>" * 50 + b"</div>" * 700 + b"<p>three"
    text = parse(deep, ContentType.HTML).text
    assert (text.count("one"), text.count("two")) == (700, 50)
    assert text.rstrip().endswith("\n\nthree")


def test_ordinary_html_is_left_as_it_is():
    page = (
        "<ul>" + "<li><p>item<b>bold" * 900 + "</ul><table>" + "<tr><td>a<td><div>b" * 900 + "</table><svg>"
        "<path d='M0'/><g a=b><circle/></g></svg>" + "<p><font color=red>text" * 900 + "<script>'<div>'</script>end"
    )  # fmt: skip
    text = parse(page.encode(), ContentType.HTML).text
    assert text.count("itembold\n\n") == 900
    assert text.count("a\n\nb\n\n") == 900
    assert text.count("text\n\n") == 899
    assert text.endswith("textend\n\n")
