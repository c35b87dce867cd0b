"""PDF with a text layer."""

import io
import re

from pypdf import PdfReader
from pypdf.errors import PdfReadError

from weft_retrieval.formats.outline import Parsed
from weft_retrieval.formats.text import unreadable

_HYPHENATED = re.compile(r"(?<=[a-z])[-\u00ad]\n(?=[a-z])")
_WRAPPED = re.compile(r"(?<=[^\s.!?:;])[ \t]*\n(?=\S)")
# A stray surrogate cannot be encoded, and PostgreSQL refuses NUL.
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def read_pdf(content: bytes) -> Parsed:
    """Reads page after page; lines wrapped by the layout are joined, a page's end ends a paragraph."""
    if b"%PDF-" not in content[:1024]:
        raise unreadable("the document does not begin like a PDF; send its real content type")
    try:
        pages = _pages(content)
    except Exception:  # noqa: BLE001  # hostile files make pypdf raise nearly anything, RecursionError included
        raise unreadable("the PDF is damaged; open it in a viewer and save it again") from None
    if pages is None:
        raise unreadable("the PDF is encrypted; send it without a password")
    text = "\n\n".join(page for page in map(_unwrap, pages) if page)
    if not text:
        raise unreadable("the PDF has no text layer; run optical character recognition first")
    return Parsed(text)


def _pages(content: bytes) -> list[str] | None:
    reader = PdfReader(io.BytesIO(content))
    if reader.is_encrypted and not reader.decrypt(""):
        return None
    pages = [page.extract_text() for page in reader.pages]
    if not pages:
        raise PdfReadError
    return pages


def _unwrap(page: str) -> str:
    joined = _HYPHENATED.sub("", _UNSTORABLE.sub("", page))
    return _WRAPPED.sub(" ", joined).strip()
