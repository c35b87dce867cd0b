"""Recognises files by their bytes: programs, archives and pictures are not read as text, whatever their name."""

from typing import NamedTuple

from weft_retrieval.formats.byte_order_mark import declared_encoding
from weft_retrieval.formats.unmarked import controls, is_binary, unmarked_encoding


class Mismatch(NamedTuple):
    """What a document is instead of what it was declared to be, and what to do about it."""

    looks_like: str
    step: str


_ZIP = "a ZIP archive"
_OLD_OFFICE = "an old Office document"
# At which byte a file has which bytes, and what it is then. A text may begin with letters like "BM": those count only
# in what is binary anyway.
_SIGNATURES = (
    (0, b"\x7fELF", "an ELF program"),
    (0, b"MZ", "a Windows program"),
    (0, b"\xcf\xfa\xed\xfe", "a Mach-O program"),
    (0, b"\xca\xfe\xba\xbe", "a compiled program"),
    (0, b"\x00asm", "a WebAssembly module"),
    (0, b"!<arch>\n", "a library or Debian package"),
    (0, b"PK\x03\x04", _ZIP),
    (0, b"PK\x05\x06", _ZIP),
    (0, b"\x1f\x8b", "a gzip archive"),
    (0, b"BZh", "a bzip2 archive"),
    (0, b"\xfd7zXZ\x00", "an xz archive"),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (0, b"(\xb5/\xfd", "a Zstandard archive"),
    (0, b"Rar!\x1a\x07", "a RAR archive"),
    (257, b"ustar\x00", "a tar archive"),
    (257, b"ustar  \x00", "a tar archive"),
    (0, b"\x89PNG\r\n\x1a\n", "a PNG image"),
    (0, b"\xff\xd8\xff", "a JPEG image"),
    (0, b"GIF8", "a GIF image"),
    (0, b"II*\x00", "a TIFF image"),
    (0, b"MM\x00*", "a TIFF image"),
    (0, b"BM", "a BMP image"),
    (0, b"RIFF", "a RIFF file (WebP, WAV or AVI)"),
    (4, b"ftyp", "an MP4 or HEIC file"),
    (0, b"ID3", "an MP3 recording"),
    (0, b"OggS", "an Ogg recording"),
    (0, b"fLaC", "a FLAC recording"),
    (0, b"\x1aE\xdf\xa3", "a Matroska video"),
    (0, b"SQLite format 3\x00", "an SQLite database"),
    (0, b"PAR1", "a Parquet file"),
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", _OLD_OFFICE),
)
_MODERN = "save it as .docx, .xlsx, .pptx or PDF, and send that"
# What holds the name of such a part is such a file, and this is what to do about it.
_OFFICE = (
    (b"word/document.xml", "a Word document", "send it as DOCX"),
    (b"xl/workbook.xml", "an Excel workbook", "send it as XLSX"),
    (b"ppt/presentation.xml", "a PowerPoint presentation", "send it as PPTX"),
    (b"xl/workbook.bin", "a binary Excel workbook (.xlsb)", "save it as .xlsx, and send that"),
    (b"visio/document.xml", "a Visio drawing", "save it as PDF, and send that"),
    (b"Index/Document.iwa", "an iWork document", _MODERN),
    (b"mimetypeapplication/epub+zip", "an EPUB book", "send its pages as HTML, or save it as PDF"),
    (b"mimetypeapplication/vnd.oasis.opendocument", "an OpenDocument file", _MODERN),
)
# The same by the name of a stream in the compound files that Office had before 2007.
_OLD = (
    ("EncryptedPackage", "an Office document that is protected by a password", "save a copy without it, and send that"),
    ("WordDocument", "an old Word document (.doc)", "save it as .docx, and send that"),
    ("Workbook", "an old Excel workbook (.xls)", "save it as .xlsx, and send that"),
    ("PowerPoint Document", "an old PowerPoint presentation (.ppt)", "save it as .pptx, and send that"),
    ("__properties_version1.0", "an Outlook message (.msg)", "save it as text or HTML, and send that"),
)
BINARY = Mismatch("binary data", "leave it out, or convert it to UTF-8 (iconv -f ENCODING -t UTF-8) if it is text")


def instead_of_text(content: bytes) -> Mismatch | None:
    """Returns what the bytes are if they are clearly no text, in any encoding; what is in doubt is text."""
    encoding = declared_encoding(content)
    if encoding in {"UTF-16", "UTF-32"}:
        return BINARY if _is_undecodable(content, encoding) else None
    binary = is_binary(content.strip(b"\x00"))
    if found := signed(content, is_binary=binary):
        return found
    if content.startswith(b"%PDF-") and b"endobj" in content:
        return Mismatch("a PDF", "send it as PDF")
    return rtf(content) or (BINARY if binary and not unmarked_encoding(content) else None)


def rtf(content: bytes) -> Mismatch | None:
    return Mismatch("an RTF document", _MODERN) if content.startswith(b"{\\rtf1") else None


def signed(content: bytes, *, is_binary: bool) -> Mismatch | None:
    """Returns what the document is by its signature, and what to do with it."""
    for offset, magic, name in _SIGNATURES:
        if content.startswith(magic, offset) and (is_binary or _occurs_in_no_text(magic)):
            if name == _OLD_OFFICE:
                return _old_office(content)
            if name == _ZIP and (office := next((told for part, *told in _OFFICE if part in content), None)):
                return Mismatch(*office)
            return Mismatch(name, "leave it out, or send its text")
    return None


def _old_office(content: bytes) -> Mismatch:
    found = (Mismatch(*told) for stream, *told in _OLD if stream.encode("utf-16-le") in content)
    return next(found, Mismatch(_OLD_OFFICE, _MODERN))


def _occurs_in_no_text(magic: bytes) -> bool:
    return not magic.isascii() or controls(magic) > 0


def _is_undecodable(content: bytes, encoding: str) -> bool:
    """Says whether a byte order mark was chance: of random bytes 3 % are no UTF-16, and nearly all no UTF-32."""
    text = content.decode(encoding, "replace")
    wrong = text.count("\ufffd")
    return wrong > 3 and wrong > len(text) / 100
