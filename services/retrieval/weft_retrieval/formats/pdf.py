"""PDF with a text layer."""

import io
import re

from pypdf import PageObject, PdfReader, apply_configuration
from pypdf.errors import LimitReachedError, PdfReadError

from weft_kit.document_names import ContentType
from weft_retrieval.formats.document_format import DocumentFormat, DocumentFormats
from weft_retrieval.formats.outline import Parsed
from weft_retrieval.formats.signatures import Mismatch, signed
from weft_retrieval.formats.text import unreadable
from weft_retrieval.formats.unmarked import is_binary

_HYPHENATED = re.compile(r"(?<=[a-z])[-\u00ad]\n(?=[a-z])")
_WRAPPED = re.compile(r"(?<=[^\s.!?:;])[ \t]*\n(?=\S)")
# A stray surrogate cannot be encoded, and PostgreSQL refuses NUL.
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
# Of a PDF's pages and forms each may be shown any number of times. What they may come to, whatever the size, and more
# by the byte: few PDFs show one operator a byte, and text is seldom compressed to less than a tenth.
_OPERATORS, _OPERATORS_BY_BYTE = 30_000, 4
_DECODED_BYTES, _DECODED_BY_BYTE = 256 * 1024, 64
_OPERATORS_BY_PAGE = 100


def read_pdf(content: bytes) -> Parsed:
    """Reads page after page; lines wrapped by the layout are joined, a page's end ends a paragraph."""
    if b"%PDF-" not in content[:1024]:
        raise unreadable("the document does not begin like a PDF; send its real content type")
    try:
        pages = _pages(content)
    except (_TooMuchError, LimitReachedError):
        raise unreadable(
            "the PDF shows far more than its size can hold; print it to a new PDF, and send that"
        ) from None
    except MemoryError:
        raise  # it is told by whoever set the limit
    except Exception:  # noqa: BLE001  # hostile files make pypdf raise nearly anything, RecursionError included
        raise unreadable("the PDF is damaged; open it in a viewer and save it again") from None
    if pages is None:
        raise unreadable("the PDF is encrypted; send it without a password")
    text = "\n\n".join(page for page in map(_unwrap, pages) if page)
    if not text:
        raise unreadable("the PDF has no text layer; run optical character recognition first")
    return Parsed(text)


class _TooMuchError(Exception):
    """Reading all that a PDF shows would cost far more than its size."""


class _Work:
    """What may still be read of one PDF."""

    def __init__(self, size: int) -> None:
        self._operators = _OPERATORS + _OPERATORS_BY_BYTE * size
        self.decoded_bytes = _DECODED_BYTES + _DECODED_BY_BYTE * size

    def text_of(self, page: PageObject) -> str:
        """Returns a page's text."""
        self._spend(_OPERATORS_BY_PAGE)
        contents = page.get_contents()
        self.decoded_bytes -= len(contents.get_data()) if contents else 0
        if self.decoded_bytes < 0:
            raise _TooMuchError
        # Only forms can hold each other; a figure that has none is not even parsed, unless its operators are counted.
        resources = page.get("/Resources")
        has_forms = resources is not None and "/XObject" in resources.get_object()
        return page.extract_text(visitor_operand_before=self._see_operator if has_forms else None)

    def _see_operator(self, *_: object) -> None:
        self._spend(1)

    def _spend(self, operators: int) -> None:
        self._operators -= operators
        if self._operators < 0:
            raise _TooMuchError


def _pages(content: bytes) -> list[str] | None:
    work = _Work(len(content))
    # The library has limits of its own for everything else, by stream and by page.
    most = min(work.decoded_bytes, 75_000_000)
    with apply_configuration(zlib_maximum_output_length=most, array_based_stream_maximum_output_length=most):
        reader = PdfReader(io.BytesIO(content))
        if reader.is_encrypted and not reader.decrypt(""):
            return None
        pages = [work.text_of(page) for page in reader.pages]
    if not pages:
        raise PdfReadError
    return pages


def _unwrap(page: str) -> str:
    joined = _HYPHENATED.sub("", _UNSTORABLE.sub("", page))
    return _WRAPPED.sub(" ", joined).strip()


def _instead(content: bytes, formats: DocumentFormats) -> Mismatch | None:
    if content.startswith(b"%PDF-"):
        return None
    if b"%PDF-" not in content[:1024] and formats.by_content(content).content_type is ContentType.HTML:
        return Mismatch("an HTML page", "send it as HTML, or look whether it says why there is no PDF")
    return signed(content, is_binary=is_binary(content))


PDF = DocumentFormat(
    content_type=ContentType.PDF,
    description="a PDF",
    read=read_pdf,
    begins=re.compile(rb"%PDF-"),
    overrides_plain_name=True,
    instead=_instead,
)
