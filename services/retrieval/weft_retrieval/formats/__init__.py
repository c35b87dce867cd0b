"""Parses a document of any supported format into its text and its headings."""

from collections.abc import Callable

from weft_retrieval.formats.delimited import read_csv
from weft_retrieval.formats.html.html import read_html
from weft_retrieval.formats.json_text import read_json
from weft_retrieval.formats.kinds import ContentType, detect
from weft_retrieval.formats.markdown import read_markdown
from weft_retrieval.formats.office.docx import read_docx
from weft_retrieval.formats.office.pptx import read_pptx
from weft_retrieval.formats.office.xlsx import read_xlsx
from weft_retrieval.formats.outline import Heading, Outline, Parsed
from weft_retrieval.formats.pdf import read_pdf
from weft_retrieval.formats.signatures import check_kind
from weft_retrieval.formats.text import read_text, unreadable

__all__ = ["ContentType", "Heading", "Outline", "Parsed", "detect", "parse", "unreadable"]

_READERS: dict[ContentType, Callable[[bytes], Parsed]] = {
    ContentType.TEXT: read_text,
    ContentType.MARKDOWN: read_markdown,
    ContentType.HTML: read_html,
    ContentType.PDF: read_pdf,
    ContentType.DOCX: read_docx,
    ContentType.PPTX: read_pptx,
    ContentType.XLSX: read_xlsx,
    ContentType.CSV: read_csv,
    ContentType.JSON: read_json,
}


def parse(content: bytes, content_type: ContentType) -> Parsed:
    """Reads `content` as the declared format; raises Invalid(UNREADABLE_DOCUMENT) if it is not that, or contains no
    text.
    """
    check_kind(content, content_type)
    parsed = _READERS[content_type](content)
    if not parsed.text.strip():
        raise unreadable("the document holds no text; leave it out, or send one that has some")
    return parsed
