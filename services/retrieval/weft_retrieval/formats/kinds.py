"""The kind of a document: as declared, or by name, or by its first bytes."""

import re
from enum import StrEnum

from weft_kit.document_names import is_plain, kind_by_name
from weft_retrieval.formats.byte_order_mark import declared_encoding
from weft_retrieval.formats.office.package import office_kind
from weft_retrieval.formats.unmarked import unmarked_encoding


class ContentType(StrEnum):
    TEXT = "text"
    MARKDOWN = "markdown"
    HTML = "html"
    PDF = "pdf"
    DOCX = "docx"
    PPTX = "pptx"
    XLSX = "xlsx"
    CSV = "csv"
    JSON = "json"


OFFICE = frozenset({ContentType.DOCX, ContentType.PPTX, ContentType.XLSX})

_HTML_START = re.compile(rb"\s*<(?:!doctype html|html|head|body)\b", re.IGNORECASE)
_MARKDOWN_START = re.compile(rb"\s*#{1,6} \S")


def detect(name: str, content: bytes) -> ContentType:
    """Guesses from the name (`source_uri` or `document_id`), then from the first bytes; TEXT when in doubt.

    A package of Office says itself what it is, whatever it is called.
    """
    if content.startswith(b"PK") and (kind := office_kind(content)) in OFFICE:
        return ContentType(kind)
    path = name.partition("?")[0].partition("#")[0]
    by_name, by_content = kind_by_name(path), detect_by_content(content)
    # What a program or a host of such a name sends is a page, and no code.
    if by_name is None or (is_plain(path) and by_content in {ContentType.HTML, ContentType.PDF}):
        return by_content
    return ContentType(by_name)


def detect_by_content(content: bytes) -> ContentType:
    """Guesses from the first bytes alone; TEXT when in doubt."""
    encoding = declared_encoding(content) or unmarked_encoding(content)
    head = content[:1024].decode(encoding, "replace").encode() if encoding else content[:1024]
    if head.startswith(b"%PDF-"):
        return ContentType.PDF
    if _HTML_START.match(head):
        return ContentType.HTML
    if _MARKDOWN_START.match(head):
        return ContentType.MARKDOWN
    return ContentType.TEXT
