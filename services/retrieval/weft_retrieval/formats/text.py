"""Plain text: UTF-8, or what its byte order mark says."""

from weft.common.v1 import error_pb2
from weft_kit.errors import Invalid
from weft_retrieval.formats.byte_order_mark import declared_encoding
from weft_retrieval.formats.outline import Parsed


def read_text(content: bytes) -> Parsed:
    return Parsed(decode(content))


def decode(content: bytes) -> str:
    """Decodes UTF-8, or what a byte order mark names, and ends every line with a plain newline."""
    encoding = declared_encoding(content) or "UTF-8"
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        name = encoding.removesuffix("-sig")
        raise unreadable(f"not {name} at byte {error.start}; convert the document to UTF-8") from None
    if "\x00" in text:
        raise unreadable(f"NUL at character {text.index(chr(0))}; convert the document to UTF-8 text")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def unreadable(message: str) -> Invalid:
    return Invalid(error_pb2.ERROR_REASON_UNREADABLE_DOCUMENT, message)
