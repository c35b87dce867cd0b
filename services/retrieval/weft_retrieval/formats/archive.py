"""ZIP archives from strangers: the unpacked size is limited, relative to the archive's, before anything is unpacked."""

import io
import zipfile
import zlib
from posixpath import normpath

from weft_kit.rpc.errors import Invalid
from weft_retrieval.formats.text import unreadable

# What the parts that are read may unpack to, whatever the size, and more by the byte. Sheets of empty formatted cells
# are packed more tightly than any text.
_UNPACKED_BYTES, _UNPACKED_BY_BYTE = 8 * 1024 * 1024, 64
_LEAST_BYTES = 1024
_MOST_PARTS = 100_000
_METHODS = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
# What zipfile raises for archives that are damaged or malicious.
_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    ValueError,
    OverflowError,
    NotImplementedError,
    RuntimeError,
    OSError,
)


class Archive:
    """The parts of an archive by name; names are not case-sensitive, as in Office."""

    def __init__(self, content: bytes) -> None:
        """Reads the directory; raises Invalid(UNREADABLE_DOCUMENT) when there is none."""
        try:
            self._zip = zipfile.ZipFile(io.BytesIO(content))
            parts = self._zip.infolist()
        except _DAMAGE:
            raise damaged("the document is a damaged or truncated ZIP archive") from None
        if len(parts) > _MOST_PARTS:
            raise unreadable(
                f"the document holds {len(parts)} files, and at most {_MOST_PARTS} are looked at; split it"
            )
        # Some producers begin names with a slash or use backslashes.
        self._parts = {_plain(part.filename): part for part in reversed(parts)}
        self._left = _UNPACKED_BYTES + _UNPACKED_BY_BYTE * len(content)

    def __contains__(self, name: str) -> bool:
        return _plain(name) in self._parts

    def read(self, name: str) -> bytes:
        """Returns a part, empty when there is none of the name. A part read twice counts twice."""
        part = self._parts.get(_plain(name))
        if part is None:
            return b""
        if part.flag_bits & 1:
            raise unreadable("the document is protected by a password; save a copy without it, and send that")
        # zipfile unpacks no more of a part than the directory says; reading one costs something, however small it is.
        self._left -= max(part.file_size, _LEAST_BYTES)
        if self._left < 0:
            raise unreadable(
                f"the document unpacks to more than {_UNPACKED_BY_BYTE} times its size; save it again, or send its text"
            )
        try:
            if part.compress_type not in _METHODS:
                raise zipfile.BadZipFile
            return self._zip.read(part)
        except _DAMAGE:
            raise damaged(f"the document's part {name[-60:]!r} is damaged") from None


def _plain(name: str) -> str:
    return normpath("/" + name.replace("\\", "/")).lstrip("/").lower()


def damaged(what: str) -> Invalid:
    """Returns the refusal of a file that cannot be read because it is damaged."""
    return unreadable(f"{what}; open it where it was made, save it again, and send that")
