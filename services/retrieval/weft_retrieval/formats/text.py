"""Plain text, in any encoding that can be recognised."""

import re

from weft_kit.document_names import ContentType
from weft_retrieval.formats.document_format import DocumentFormat
from weft_retrieval.formats.encodings import unicode_of, unreadable
from weft_retrieval.formats.invisible import visible
from weft_retrieval.formats.outline import Parsed

__all__ = ["decode", "read_text", "unreadable"]


# In the first two lines: XML's declaration, CSS's @charset, and what Emacs, Python (PEP 263), Ruby and Vim read.
_LABEL = re.compile(rb"[^\n]{0,500}?(?:\n[^\n]{0,500}?)?(?:coding[ \t]*[:=]|@charset)[ \t]*[\"']?([\w.:-]+)")


def read_text(content: bytes) -> Parsed:
    return Parsed(decode(content))


def decode(content: bytes) -> str:
    """Decodes a text, ends every line with a plain newline, and drops invisible characters."""
    # A NUL stands between things, as in lists of files, or fills what is not used.
    label = _LABEL.match(content)
    text = unicode_of(content, label[1].decode("ascii") if label else "").replace("\x00", " ")
    return visible(text.replace("\r\n", "\n").replace("\r", "\n"))


TEXT = DocumentFormat(content_type=ContentType.TEXT, description="text", read=read_text)
