"""What a document's bytes are: as declared, else by name, else by how they begin."""

import re
from enum import StrEnum
from pathlib import PurePosixPath

from weft_retrieval.formats.byte_order_mark import declared_encoding
from weft_retrieval.formats.unmarked import unmarked_encoding


class ContentType(StrEnum):
    TEXT = "text"
    MARKDOWN = "markdown"
    HTML = "html"
    PDF = "pdf"


_SUFFIXES = {
    ".txt": ContentType.TEXT,
    ".text": ContentType.TEXT,
    ".md": ContentType.MARKDOWN,
    ".markdown": ContentType.MARKDOWN,
    ".htm": ContentType.HTML,
    ".html": ContentType.HTML,
    ".xhtml": ContentType.HTML,
    ".pdf": ContentType.PDF,
}
_HTML_START = re.compile(rb"\s*<(?:!doctype html|html|head|body)\b", re.IGNORECASE)
_MARKDOWN_START = re.compile(rb"\s*#{1,6} \S")


def detect(name: str, content: bytes) -> ContentType:
    """Guesses from the name's suffix (`source_uri` or `document_id`), then from the first bytes; TEXT when in doubt."""
    path = name.partition("?")[0].partition("#")[0]
    by_name = _SUFFIXES.get(PurePosixPath(path).suffix.lower())
    return by_name or detect_by_content(content)


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
