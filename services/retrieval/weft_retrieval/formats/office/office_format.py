"""What Office's formats share: a package says itself what it is, and other files are told from it."""

from collections.abc import Callable
from functools import partial

from weft_kit.document_names import ContentType
from weft_kit.rpc.errors import Invalid
from weft_retrieval.formats.document_format import DocumentFormat, DocumentFormats
from weft_retrieval.formats.office.package import Package
from weft_retrieval.formats.outline import Parsed
from weft_retrieval.formats.signatures import BINARY, Mismatch, rtf, signed
from weft_retrieval.formats.unmarked import is_binary


def office_format(content_type: ContentType, description: str, read: Callable[[bytes], Parsed]) -> DocumentFormat:
    """Returns a format whose documents are packages of Office."""
    return DocumentFormat(
        content_type=content_type,
        description=description,
        read=read,
        declared_kind=_declared_kind,
        instead=partial(_instead_of, content_type),
    )


def _declared_kind(content: bytes) -> str:
    """Returns what kind of package some bytes are, as far as they can be read; "" when of none."""
    if not content.startswith(b"PK"):
        return ""
    try:
        return Package(content).kind
    except Invalid:
        return ""


def _instead_of(kind: ContentType, content: bytes, formats: DocumentFormats) -> Mismatch | None:
    if content.startswith(b"PK"):
        return _other_package(kind, content, formats)
    if content.startswith(b"%PDF-"):
        return Mismatch("a PDF", "send it as PDF")
    binary = is_binary(content)
    if found := rtf(content) or signed(content, is_binary=binary):
        return found
    looks_like = BINARY.looks_like if binary else formats.by_content(content).description
    return Mismatch(looks_like, "send what it is under its own name, or save it anew where it was made")


def _other_package(kind: ContentType, content: bytes, formats: DocumentFormats) -> Mismatch | None:
    try:
        name = Package(content).kind
    except Invalid:
        return None  # its reader tells what is wrong with it
    if found := formats.named(name):
        return None if name == kind else Mismatch(found.description, f"send it as {name.upper()}")
    return signed(content, is_binary=True)
