"""Plain text, in whatever encoding can be told."""

from weft_retrieval.formats.encodings import unicode_of, unreadable
from weft_retrieval.formats.invisible import visible
from weft_retrieval.formats.outline import Parsed

__all__ = ["decode", "read_text", "unreadable"]


def read_text(content: bytes) -> Parsed:
    return Parsed(decode(content))


def decode(content: bytes) -> str:
    """Decodes a text, ends every line with a plain newline, and leaves out what nobody sees."""
    # A NUL stands between things, as in lists of files, or fills what is not used.
    text = unicode_of(content).replace("\x00", " ")
    return visible(text.replace("\r\n", "\n").replace("\r", "\n"))
