"""Plain text, UTF-8."""

from weft.common.v1 import error_pb2
from weft_kit.errors import Invalid
from weft_retrieval.formats.outline import Parsed


def read_text(content: bytes) -> Parsed:
    return Parsed(decode(content))


def decode(content: bytes) -> str:
    """Decodes UTF-8, with or without a byte order mark, and ends every line with a plain newline."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise unreadable(f"not UTF-8 at byte {error.start}; convert the document to UTF-8") from None
    if "\x00" in text:
        raise unreadable(f"NUL at character {text.index(chr(0))}; convert the document to UTF-8 text")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def unreadable(message: str) -> Invalid:
    return Invalid(error_pb2.ERROR_REASON_UNREADABLE_DOCUMENT, message)
